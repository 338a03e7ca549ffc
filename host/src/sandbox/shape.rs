//! What a component declares, read from its bytes before anything is compiled: the pool is laid out
//! for it, and what cannot fit is refused with a reason in place of a compiler's message.

use super::component::LoadError;
use super::counts::Counts;
use super::world::World;
use std::fmt;
use wasmparser::{Parser, Payload};
use wasmtime::ResourcesRequired;

/// What one instance of a component holds at least.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shape {
    pub(super) memories: u32,
    pub(super) tables: u32,
    /// Bytes of all linear memories at their minimum.
    pub(super) memory_bytes_min: u64,
    /// Elements of the largest table at its minimum.
    pub(super) table_elements_min: u64,
    /// What it is to be called by; none if it is no handler.
    pub(super) world: Option<World>,
}

impl Shape {
    /// Reads the sections of `bytes`, nested modules and components included, as far as there are no more of
    /// anything than any compiler should be asked to look at.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        let (mut shape, mut counts) = (Self::default(), Counts::default());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(broken)?;
            counts.add(bytes, &payload)?;
            shape.add(&payload, counts.depth()).map_err(broken)?;
        }
        Ok(shape)
    }

    /// The shape with what an instance really holds.
    pub(super) fn covering(mut self, required: &ResourcesRequired) -> Self {
        self.memories = self.memories.max(required.num_memories);
        self.tables = self.tables.max(required.num_tables);
        self
    }

    /// Grows until either fits.
    pub(super) fn grow(&mut self, other: &Self) {
        self.memories = self.memories.max(other.memories);
        self.tables = self.tables.max(other.tables);
        self.memory_bytes_min = self.memory_bytes_min.max(other.memory_bytes_min);
        self.table_elements_min = self.table_elements_min.max(other.table_elements_min);
    }

    /// Adds one section, at a `depth` of 1 if it is not that of a nested module or component.
    fn add(&mut self, payload: &Payload<'_>, depth: usize) -> wasmparser::Result<()> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "few kinds of sections matter here")]
        match payload {
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports.clone() {
                    self.world = self.world.max(World::exported_as(export?.name.name));
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory?;
                    let page_bytes =
                        1u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
                    let bytes = memory.initial.saturating_mul(page_bytes);
                    self.memories = self.memories.saturating_add(1);
                    self.memory_bytes_min = self.memory_bytes_min.saturating_add(bytes);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    self.tables = self.tables.saturating_add(1);
                    self.table_elements_min = self.table_elements_min.max(table?.ty.initial);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memories, tables, table_elements_min, .. } = self;
        write!(f, "{memories} memories and {tables} tables of {table_elements_min} elements")
    }
}

pub(super) fn broken(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Broken { offset: error.offset() as u64, what: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        Shape::read(&wat::parse_str(text).expect("test component")).expect("test component")
    }

    #[test]
    fn nested_modules_count() {
        let text = "(component
            (core module $a (memory 2) (memory 1) (table 7 funcref))
            (core instance (instantiate $a))
            (component (core module $b (memory 3) (table 9 20 funcref)) (core instance (instantiate $b))))";
        let expected =
            Shape { memories: 3, tables: 2, memory_bytes_min: 6 * 65536, table_elements_min: 9, world: None };
        assert_eq!(shape(text), expected);
    }

    #[test]
    fn only_its_own_exports_make_a_component_a_handler() {
        let handler = |version: &str| {
            format!("(component (instance $i) (export \"wasi:http/{version}\" (instance $i)))")
        };
        assert_eq!(shape(&handler("incoming-handler@0.2.3")).world, Some(World::P2));
        assert_eq!(shape(&handler("handler@0.3.2")).world, Some(World::P3));
        let nested =
            format!("(component {} {})", handler("handler@0.3.0"), handler("incoming-handler@0.2.0"));
        assert_eq!(shape(&nested).world, None);
    }

    #[test]
    fn a_truncated_component_says_where_or_has_lost_a_section() {
        let whole = wat::parse_str("(component (core module (memory 1)))").expect("test component");
        let mut broken = 0;
        for length in 9..whole.len() {
            match Shape::read(&whole[..length]) {
                Err(LoadError::Broken { offset, .. }) => {
                    assert!(offset <= length as u64);
                    broken += 1;
                }
                Err(error) => panic!("{length}: {error:?}"),
                // Cut between two sections, what is left is whole.
                Ok(shape) => assert_eq!(shape.memories, 0, "{length}"),
            }
        }
        assert!(broken > 0);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>) {
            let _ = Shape::read(&bytes);
            bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
            let _ = Shape::read(&bytes);
        }
    }
}
