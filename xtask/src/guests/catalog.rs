//! Which guests there are, and what each is built from.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// A language that guests are written in, with a builder of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    JavaScript,
    Python,
}

impl Language {
    /// In the order in which they are built: the quickest first.
    pub(crate) const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a guest is built from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A package of the workspace `guest/`, of the guest's name.
    RustPackage,
    /// An example of the package `behaviours`, of the guest's name.
    RustBehaviour,
    /// This module in the directory of the guest's name.
    JavaScript { module: &'static str },
    /// This module in the directory of the guest's name.
    Python { module: &'static str },
}

/// One guest. It becomes the component `NAME.wasm`.
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) source: Source,
}

impl Guest {
    pub(crate) fn language(&self) -> Language {
        match self.source {
            Source::RustPackage | Source::RustBehaviour => Language::Rust,
            Source::JavaScript { .. } => Language::JavaScript,
            Source::Python { .. } => Language::Python,
        }
    }

    /// The name of its component's file.
    pub(crate) fn file(&self) -> String {
        format!("{}.wasm", self.name)
    }
}

/// The guests that are not behaviours.
const GUESTS: [(&str, Source); 4] = [
    ("hello", Source::RustPackage),
    ("welcome", Source::RustPackage),
    ("hello-js", Source::JavaScript { module: "hello.js" }),
    ("hello-py", Source::Python { module: "app" }),
];

/// All guests.
pub(crate) struct Catalog(Vec<Guest>);

impl Catalog {
    /// Reads which behaviours there are: every file in their directory is one.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let behaviours = workspace.guest().join("behaviours/examples");
        let entries = fs::read_dir(&behaviours)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("reading the behaviours in {}", behaviours.display()))?;
        let behaviours = entries.iter().filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_suffix(".rs")?.to_owned();
            Some(Guest { name, source: Source::RustBehaviour })
        });
        let others = GUESTS.map(|(name, source)| Guest { name: name.to_owned(), source });
        let mut guests: Vec<_> = behaviours.chain(others).collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(guests))
    }

    /// The guests of these names; all of them where there are no names.
    ///
    /// # Errors
    ///
    /// Where there is no guest of a name.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Guest>> {
        let unknown: Vec<_> =
            names.iter().filter(|name| self.0.iter().all(|guest| guest.name != **name)).collect();
        if !unknown.is_empty() {
            let known: Vec<_> = self.0.iter().map(|guest| guest.name.as_str()).collect();
            bail!("there is no guest {unknown:?}; there are {}", known.join(", "));
        }
        Ok(self.0.iter().filter(|guest| names.is_empty() || names.contains(&guest.name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(catalog: &Catalog, wanted: &[&str]) -> Result<Vec<String>> {
        let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        let guests = catalog.select(&wanted)?;
        Ok(guests.iter().map(|guest| guest.name.clone()).collect())
    }

    #[test]
    fn guests_are_selected_by_name() {
        let catalog = Catalog::read(&Workspace::find().expect("workspace")).expect("catalog");
        assert_eq!(names(&catalog, &["spin", "hello"]).expect("names"), ["hello", "spin"]);
        assert!(names(&catalog, &[]).expect("names").len() > GUESTS.len());
        let error = names(&catalog, &["hello", "helo"]).expect_err("names").to_string();
        assert!(error.starts_with("there is no guest [\"helo\"]; there are alloc, "), "{error}");
    }

    #[test]
    fn every_guest_is_declared_and_documented() {
        let workspace = Workspace::find().expect("workspace");
        let read = |path| fs::read_to_string(workspace.guest().join(path)).expect(path);
        let (readme, manifest) = (read("README.md"), read("behaviours/Cargo.toml"));
        for guest in Catalog::read(&workspace).expect("catalog").0 {
            let Guest { name, source } = guest;
            let row = [format!("| `{name}` |"), format!("| [`{name}`](")];
            assert!(row.iter().any(|row| readme.contains(row)), "guest/README.md has no row for {name}");
            let declared = manifest.contains(&format!("name = \"{name}\"\ncrate-type"));
            assert_eq!(declared, source == Source::RustBehaviour, "behaviours/Cargo.toml: {name}");
        }
    }
}
