//! What a component declares, read from its bytes before anything is compiled: the pool is laid out
//! for it, and what cannot fit is refused with a reason in place of a compiler's message.

use super::component::LoadError;
use wasmparser::{Parser, Payload};
use wasmtime::ResourcesRequired;

/// What one instance of a component holds at least.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) memories: u32,
    pub(super) tables: u32,
    /// Bytes of all linear memories at their minimum.
    pub(super) memory_bytes_min: u64,
    /// Elements of the largest table at its minimum.
    pub(super) table_elements_min: u64,
}

impl Shape {
    /// Reads the sections of `bytes`, nested modules and components included.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            shape.add(&payload.map_err(broken)?).map_err(broken)?;
        }
        Ok(shape)
    }

    /// Grows to what an instance really holds; returns whether it had to.
    pub(super) fn cover(&mut self, required: &ResourcesRequired) -> bool {
        let before = *self;
        self.memories = self.memories.max(required.num_memories);
        self.tables = self.tables.max(required.num_tables);
        *self != before
    }

    fn add(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only two kinds of sections hold resources")]
        match payload {
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

fn broken(error: wasmparser::BinaryReaderError) -> LoadError {
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
        let expected = Shape { memories: 3, tables: 2, memory_bytes_min: 6 * 65536, table_elements_min: 9 };
        assert_eq!(shape(text), expected);
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
