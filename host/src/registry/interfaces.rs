//! What a component imports and exports, for whoever looks at it in a registry without fetching it.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// Names that are told at most.
const NAMES_MAX: usize = 1000;

/// The interfaces of a component.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Interfaces {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// What is to be stored is no component.
#[derive(Debug, thiserror::Error)]
#[error("this is not a WebAssembly component: {0}")]
pub struct NotAComponent(String);

/// Reads the names of the outermost component.
///
/// # Errors
/// Where it is none, or is broken.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other sections say nothing about interfaces")]
pub(super) fn of(component: &[u8]) -> Result<Interfaces, NotAComponent> {
    let mut interfaces = Interfaces::default();
    let mut depth = 0_u32;
    let broken = |error: wasmparser::BinaryReaderError| NotAComponent(error.to_string());
    let is_interface = |kind: ComponentExternalKind| kind == ComponentExternalKind::Instance;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(NotAComponent("it is a core module".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(broken)?;
                    if matches!(import.ty, wasmparser::ComponentTypeRef::Instance(_)) {
                        interfaces.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if is_interface(export.kind) {
                        interfaces.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    interfaces.imports.truncate(NAMES_MAX);
    interfaces.exports.truncate(NAMES_MAX);
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_the_outermost_component_are_told() {
        let component = wat::parse_str(
            r#"(component
                (import "a:b/c@1.0.0" (instance $i))
                (import "f" (func))
                (component (import "x:y/z" (instance)))
                (core module)
                (export "d:e/f" (instance $i)))"#,
        )
        .unwrap();
        let interfaces = of(&component).unwrap();
        assert_eq!(interfaces.imports, ["a:b/c@1.0.0"]);
        assert_eq!(interfaces.exports, ["d:e/f"]);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(of(&wat::parse_str("(module)").unwrap()).unwrap_err().to_string().contains("core module"));
        assert!(of(b"hello").is_err());
        assert!(of(b"").is_err());
    }
}
