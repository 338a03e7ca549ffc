//! How deeply the types of a component are nested. Whoever reads them does so by calling itself for what is
//! inside, and bytes that open a type inside a type for megabytes would take its stack: so this is found out
//! first, without nesting.

use wasmparser::{
    BinaryReader, ComponentImport, ComponentType, InstanceTypeDeclaration, Result as ParseResult,
};

/// The bytes by which a declaration is told: an import, and a type in it.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#type-definitions>
const IMPORT: u8 = 0x03;
const TYPE: u8 = 0x01;
/// The bytes by which types are told that hold declarations.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;

/// A type that is open, and how many of its declarations are still to come.
struct Open {
    is_component: bool,
    left: u32,
}

/// The depth of the types in a section of `count` types, which `reader` stands at the beginning of: 1 where no
/// type is inside another. Ends early once it is more than `most`.
pub(super) fn depth(reader: &mut BinaryReader<'_>, count: u32, most: usize) -> ParseResult<usize> {
    let mut deepest = 0;
    let mut open = Vec::new();
    for _ in 0..count {
        open_type(reader, &mut open)?;
        deepest = deepest.max(open.len()).max(1);
        while let Some(inside) = open.last_mut() {
            if inside.left == 0 {
                open.pop();
                continue;
            }
            inside.left -= 1;
            let is_component = inside.is_component;
            match peek(reader)? {
                IMPORT if is_component => {
                    reader.read_u8()?;
                    reader.read::<ComponentImport<'_>>()?;
                }
                TYPE => {
                    reader.read_u8()?;
                    open_type(reader, &mut open)?;
                    deepest = deepest.max(open.len());
                    if deepest > most {
                        return Ok(deepest);
                    }
                }
                _ => {
                    reader.read::<InstanceTypeDeclaration<'_>>()?;
                }
            }
        }
    }
    Ok(deepest)
}

/// Reads a type, or its beginning if it holds declarations.
fn open_type(reader: &mut BinaryReader<'_>, open: &mut Vec<Open>) -> ParseResult<()> {
    match peek(reader)? {
        kind @ (COMPONENT_TYPE | INSTANCE_TYPE) => {
            reader.read_u8()?;
            open.push(Open { is_component: kind == COMPONENT_TYPE, left: reader.read_var_u32()? });
        }
        _ => {
            reader.read::<ComponentType<'_>>()?;
        }
    }
    Ok(())
}

fn peek(reader: &BinaryReader<'_>) -> ParseResult<u8> {
    reader.clone().read_u8()
}
