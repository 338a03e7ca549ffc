//! Components that no toolchain makes: each is made to keep a compiler busy, and none of them is large.

/// A core module's section or a component's, with its length.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    number(&mut section, content.len());
    section.extend_from_slice(content);
    section
}

/// LEB128.
fn number(to: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = (number % 0x80) as u8;
        number /= 0x80;
        to.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return;
        }
    }
}

/// A component that is nothing but this core module.
fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    let module = [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// A single function of `bytes`, most of them blocks that other blocks of it branch to: what has to be known at
/// each of them about a thousand locals keeps a compiler busy for minutes.
pub fn one_function(bytes: usize) -> Vec<u8> {
    const LOCALS: usize = 1000;
    let mut body = vec![1];
    number(&mut body, LOCALS);
    body.push(0x7f);
    let mut round = 0;
    while body.len() < bytes {
        // (loop (local.set A (i32.add (local.get B) (local.get C))) (br_if 0 (local.get A)))
        let local = |by: usize| (round * 7 + by * 13) % LOCALS;
        body.extend([0x03, 0x40, 0x20]);
        number(&mut body, local(1));
        body.push(0x20);
        number(&mut body, local(2));
        body.extend([0x6a, 0x21]);
        number(&mut body, local(3));
        body.push(0x20);
        number(&mut body, local(3));
        body.extend([0x0d, 0x00, 0x0b]);
        round += 1;
    }
    body.push(0x0b);
    let mut code = vec![1];
    number(&mut code, body.len());
    code.extend(body);
    component(&[section(1, &[1, 0x60, 0, 0]), section(3, &[1, 0]), section(10, &code)])
}

/// So many functions, each of which does nothing.
pub fn functions(count: usize) -> Vec<u8> {
    let (mut types, mut code) = (Vec::new(), Vec::new());
    number(&mut types, count);
    number(&mut code, count);
    types.extend(vec![0; count]);
    code.extend([2, 0, 0x0b].repeat(count));
    component(&[section(1, &[1, 0x60, 0, 0]), section(3, &types), section(10, &code)])
}

/// A type inside a type inside a type.
pub fn nested_types(depth: usize) -> Vec<u8> {
    let mut types = vec![1];
    types.extend([0x41, 1, 0x01].repeat(depth));
    types.extend([0x41, 0]);
    [b"\0asm\x0d\0\x01\0".to_vec(), section(7, &types)].concat()
}

/// A component that has another one ten times in it, which has another one ten times in it, and so on: ten to
/// the power of `depth` instances of a module in some hundred bytes.
pub fn instances_of_instances(depth: usize) -> String {
    let mut inner = "(core module $m (func)) (core instance (instantiate $m))".to_owned();
    for _ in 0..depth {
        inner = format!("(component $c {inner}) {}", "(instance (instantiate $c))".repeat(10));
    }
    format!("(component {inner})")
}

/// The same component with other bytes: a section that only names something.
pub fn renamed(component: &[u8], name: &str) -> Vec<u8> {
    let mut custom = Vec::new();
    number(&mut custom, name.len());
    custom.extend_from_slice(name.as_bytes());
    [component.to_vec(), section(0, &custom)].concat()
}
