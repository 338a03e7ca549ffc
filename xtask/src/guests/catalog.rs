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
    /// An example of this package, one of [`BEHAVIOURS`], of the guest's name.
    RustBehaviour { package: &'static str },
    /// This module in the directory of the guest's name.
    JavaScript { module: &'static str },
    /// This module in the directory of the guest's name, built for this world.
    Python { module: &'static str, world: &'static str },
}

/// One guest. It becomes the component `NAME.wasm`.
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) source: Source,
}

impl Guest {
    pub(crate) fn language(&self) -> Language {
        match self.source {
            Source::RustPackage | Source::RustBehaviour { .. } => Language::Rust,
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
const GUESTS: [(&str, Source); 12] = [
    ("auth", Source::RustPackage),
    ("auth3", Source::RustPackage),
    ("compute", Source::RustPackage),
    ("conform", Source::RustPackage),
    ("conform3", Source::RustPackage),
    ("hello", Source::RustPackage),
    ("hello3", Source::RustPackage),
    ("report", Source::RustPackage),
    ("welcome", Source::RustPackage),
    ("hello-js", Source::JavaScript { module: "hello.js" }),
    ("hello-py", Source::Python { module: "app", world: "handler" }),
    ("hello-py3", Source::Python { module: "app", world: "wasi:http/service@0.3.0" }),
];

/// The packages of behaviours: for WASI 0.2 and for 0.3.
const BEHAVIOURS: [&str; 2] = ["behaviours", "behaviours3"];

/// All guests.
pub(crate) struct Catalog(Vec<Guest>);

impl Catalog {
    /// Reads which behaviours there are: every file in their directories is one.
    ///
    /// # Errors
    ///
    /// Where a directory cannot be read.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let mut guests: Vec<_> = GUESTS.map(|(name, source)| Guest { name: name.to_owned(), source }).into();
        for package in BEHAVIOURS {
            guests.extend(behaviours(workspace, package)?);
        }
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

fn behaviours(workspace: &Workspace, package: &'static str) -> Result<Vec<Guest>> {
    let directory = workspace.guest().join(package).join("examples");
    let entries = fs::read_dir(&directory)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading the behaviours in {}", directory.display()))?;
    let names = entries.iter().filter_map(|entry| {
        let file = entry.file_name().into_string().ok()?;
        Some(file.strip_suffix(".rs")?.to_owned())
    });
    Ok(names.map(|name| Guest { name, source: Source::RustBehaviour { package } }).collect())
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
        let read = |path: String| fs::read_to_string(workspace.guest().join(&path)).expect(&path);
        let readme = read("README.md".to_owned());
        let manifests = BEHAVIOURS.map(|package| (package, read(format!("{package}/Cargo.toml"))));
        for guest in Catalog::read(&workspace).expect("catalog").0 {
            let Guest { name, source } = guest;
            let row = [format!("| `{name}` |"), format!("| [`{name}`](")];
            assert!(row.iter().any(|row| readme.contains(row)), "guest/README.md has no row for {name}");
            for (package, manifest) in &manifests {
                let declared = manifest.contains(&format!("name = \"{name}\"\ncrate-type"));
                assert_eq!(
                    declared,
                    source == Source::RustBehaviour { package },
                    "{package}/Cargo.toml: {name}"
                );
            }
        }
    }
}
