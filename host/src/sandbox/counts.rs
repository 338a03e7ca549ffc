//! How much there is of everything in a component, counted while it is read: what no toolchain makes, but who
//! wants to keep compilers busy, is refused before one looks at it. The bounds are far above the largest
//! components that are known (a Python interpreter with its libraries) and below those of the parser.

use super::component::LoadError;
use super::nesting;
use super::shape::broken;
use std::fmt;
use wasmparser::{BinaryReader, Payload};

/// Modules and components inside each other.
const DEPTH_MAX: usize = 16;
/// Types inside each other.
const TYPE_DEPTH_MAX: usize = 32;

/// What is counted, over all modules and components together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Components,
    Instances,
    Functions,
    Types,
    Imports,
    Exports,
    Aliases,
    Globals,
    Segments,
    Memories,
    Tables,
}

impl Kind {
    const COUNT: usize = 11;

    /// How many there may be.
    fn most(self) -> u64 {
        match self {
            Self::Memories => 64,
            Self::Components | Self::Tables => 200,
            Self::Instances => 500,
            Self::Functions => 80_000,
            Self::Types | Self::Imports | Self::Exports | Self::Globals => 50_000,
            Self::Aliases | Self::Segments => 100_000,
        }
    }
}

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    depth: usize,
    of: [u64; Kind::COUNT],
}

impl Counts {
    /// How deep the section that was added last lies: 1 if it is not in a nested module or component.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Adds one section of `bytes`.
    ///
    /// # Errors
    /// Once there is too much of something.
    pub(super) fn add(&mut self, bytes: &[u8], payload: &Payload<'_>) -> Result<(), LoadError> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "other sections hold nothing that is counted")]
        let (kind, count) = match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                check("modules and components inside each other", self.depth, DEPTH_MAX)
                    .map_err(LoadError::TooComplex)?;
                (Kind::Components, 1)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                return Ok(());
            }
            Payload::InstanceSection(all) => (Kind::Instances, all.count()),
            Payload::ComponentInstanceSection(all) => (Kind::Instances, all.count()),
            Payload::FunctionSection(all) => (Kind::Functions, all.count()),
            Payload::ComponentCanonicalSection(all) => (Kind::Functions, all.count()),
            Payload::TypeSection(all) => (Kind::Types, all.count()),
            Payload::CoreTypeSection(all) => (Kind::Types, all.count()),
            Payload::ComponentTypeSection(all) => {
                let range = all.range();
                let section = bytes.get(range.clone()).unwrap_or_default();
                let depth = type_depth(section, range.start, all.count())?;
                check("types inside each other", depth, TYPE_DEPTH_MAX).map_err(LoadError::TooComplex)?;
                (Kind::Types, all.count())
            }
            Payload::ImportSection(all) => (Kind::Imports, all.count()),
            Payload::ComponentImportSection(all) => (Kind::Imports, all.count()),
            Payload::ExportSection(all) => (Kind::Exports, all.count()),
            Payload::ComponentExportSection(all) => (Kind::Exports, all.count()),
            Payload::ComponentAliasSection(all) => (Kind::Aliases, all.count()),
            Payload::MemorySection(all) => (Kind::Memories, all.count()),
            Payload::TableSection(all) => (Kind::Tables, all.count()),
            Payload::GlobalSection(all) => (Kind::Globals, all.count()),
            Payload::ElementSection(all) => (Kind::Segments, all.count()),
            Payload::DataSection(all) => (Kind::Segments, all.count()),
            _ => return Ok(()),
        };
        let so_far = &mut self.of[kind as usize];
        *so_far = so_far.saturating_add(u64::from(count));
        check(kind, *so_far, kind.most()).map_err(|what| match kind {
            // The host keeps room for each of them, for every instance there may be.
            Kind::Memories | Kind::Tables => LoadError::NeedsTooMuch(what),
            Kind::Components
            | Kind::Instances
            | Kind::Functions
            | Kind::Types
            | Kind::Imports
            | Kind::Exports
            | Kind::Aliases
            | Kind::Globals
            | Kind::Segments => LoadError::TooComplex(what),
        })
    }
}

/// The depth of the types of a section, which begins at `offset`.
fn type_depth(section: &[u8], offset: usize, count: u32) -> Result<usize, LoadError> {
    let mut reader = BinaryReader::new(section, offset);
    // The section begins with the count, which is known already.
    reader.read_var_u32().map_err(broken)?;
    nesting::depth(&mut reader, count, TYPE_DEPTH_MAX).map_err(broken)
}

fn check<N: PartialOrd + fmt::Display>(what: impl fmt::Display, found: N, most: N) -> Result<(), String> {
    match found > most {
        true => Err(format!("it has {found} {what} or more, and may have {most}")),
        false => Ok(()),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Components => "modules and components",
            Self::Instances => "instances",
            Self::Functions => "functions",
            Self::Types => "types",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::Aliases => "aliases",
            Self::Globals => "globals",
            Self::Segments => "segments",
            Self::Memories => "memories",
            Self::Tables => "tables",
        })
    }
}

#[cfg(test)]
#[path = "counts/tests.rs"]
mod tests;
