//! What is served: finds the component, so that `wasm-host` alone does the obvious thing in any
//! directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::mistake::{Mistake, Origin};

/// The directory that is served where nothing is named.
const HANDLERS: &str = "handlers";
/// The component that is served where a directory holds several.
const INDEX: &str = "index.wasm";
/// Components of a directory that a mistake lists.
const LISTED_MAX: usize = 5;

/// The handler to serve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HandlerSource {
    /// The welcome handler inside the program.
    BuiltIn,
    /// This component. It exists, but nothing else is known of it yet.
    Component(PathBuf),
}

impl HandlerSource {
    /// Finds what to serve: the path that was named, else `./handlers/`, else the welcome handler.
    pub(super) fn find(named: Option<(PathBuf, Origin)>, directory: &Path) -> Result<Self, Mistake> {
        let handlers = directory.join(HANDLERS);
        match named {
            Some((path, origin)) => at_path(path, origin),
            None if handlers.is_dir() => in_directory(&handlers, Origin::Path(handlers.clone())),
            None => Ok(Self::BuiltIn),
        }
    }

    /// The handler's name in logs: its file's, or its directory's if the file is the index.
    pub fn name(&self) -> String {
        let Self::Component(path) = self else {
            return "welcome".to_owned();
        };
        let named = match (path.ends_with(INDEX), path.parent().and_then(Path::file_stem)) {
            (true, Some(directory)) => Some(directory),
            (true, None) | (false, _) => path.file_stem(),
        };
        named.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What it is, for a message.
    pub fn shown(&self) -> String {
        match self {
            Self::BuiltIn => "the built-in welcome handler".to_owned(),
            Self::Component(path) => path.display().to_string(),
        }
    }
}

fn at_path(path: PathBuf, origin: Origin) -> Result<HandlerSource, Mistake> {
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => in_directory(&path, origin),
        Ok(_) => Ok(HandlerSource::Component(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Mistake {
            what: about(&origin, &path, "no such file or directory"),
            fix: "name a component (a .wasm file) or a directory that holds one".to_owned(),
            origin,
        }),
        Err(error) => Err(unreadable(&path, origin, &error)),
    }
}

fn in_directory(directory: &Path, origin: Origin) -> Result<HandlerSource, Mistake> {
    let mut components = match components_of(directory) {
        Ok(components) => components,
        Err(error) => return Err(unreadable(directory, origin, &error)),
    };
    let index = directory.join(INDEX);
    if components.contains(&index) {
        return Ok(HandlerSource::Component(index));
    }
    match components.len() {
        1 => Ok(HandlerSource::Component(components.remove(0))),
        0 => Err(Mistake {
            what: about(&origin, directory, "the directory holds no component (a .wasm file)"),
            fix: format!("put a component into it as {INDEX}, or name a component"),
            origin,
        }),
        count => {
            let names: Vec<String> = components.iter().take(LISTED_MAX).map(|path| file_name(path)).collect();
            let more = if count > LISTED_MAX { ", …" } else { "" };
            let what =
                format!("the directory holds {count} components ({}{more}), one is served", names.join(", "));
            Err(Mistake {
                what: about(&origin, directory, &what),
                fix: format!("name one of them, such as {}, or call it {INDEX}", components[0].display()),
                origin,
            })
        }
    }
}

/// The components of a directory, in the order of their names.
fn components_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut components = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            components.push(path);
        }
    }
    components.sort();
    Ok(components)
}

fn unreadable(path: &Path, origin: Origin, error: &io::Error) -> Mistake {
    Mistake {
        what: about(&origin, path, &format!("cannot be read: {error}")),
        fix: "let the user that runs wasm-host read it".to_owned(),
        origin,
    }
}

/// Names the path, unless the origin does.
fn about(origin: &Origin, path: &Path, what: &str) -> String {
    match origin {
        Origin::Path(_) => what.to_owned(),
        Origin::Flag | Origin::Environment | Origin::File { .. } | Origin::Nowhere => {
            format!("`component` is {path:?}: {what}")
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        directory
    }

    fn find(directory: &tempfile::TempDir, named: Option<&str>) -> Result<HandlerSource, Mistake> {
        let named = named.map(|name| {
            let path = directory.path().join(name);
            (path.clone(), Origin::Path(path))
        });
        HandlerSource::find(named, directory.path())
    }

    fn check(files: &[&str], named: Option<&str>, expected: Option<&str>) {
        let directory = directory_with(files);
        let expected = expected
            .map_or(HandlerSource::BuiltIn, |file| HandlerSource::Component(directory.path().join(file)));
        assert_eq!(find(&directory, named), Ok(expected), "{files:?} {named:?}");
    }

    #[test]
    fn named_path_beats_handlers_directory_beats_welcome() {
        check(&["app.wasm", "handlers/other.wasm"], Some("app.wasm"), Some("app.wasm"));
        check(&["app.wasm", "handlers/other.wasm"], None, Some("handlers/other.wasm"));
        check(&["app.wasm"], None, None);
        check(&["handlers"], None, None);
    }

    #[test]
    fn directory_serves_its_index_or_its_only_component() {
        check(&["d/a.wasm", "d/b.txt", "d/c.wasm/x"], Some("d"), Some("d/a.wasm"));
        check(&["d/a.wasm", "d/index.wasm"], Some("d"), Some("d/index.wasm"));
    }

    #[test]
    fn directory_without_a_choice_says_what_it_holds() {
        let none = find(&directory_with(&["d/readme.txt"]), Some("d")).unwrap_err();
        assert!(none.what.contains("holds no component"), "{none}");
        let several = find(&directory_with(&["handlers/b.wasm", "handlers/a.wasm"]), None).unwrap_err();
        assert!(several.what.contains("2 components (a.wasm, b.wasm)"), "{several}");
        assert!(several.fix.contains("a.wasm"), "{several}");
    }

    #[test]
    fn handlers_are_named_after_their_file_or_directory() {
        for (path, name) in [("a/app.wasm", "app"), ("a/shop/index.wasm", "shop"), ("index.wasm", "index")] {
            assert_eq!(HandlerSource::Component(path.into()).name(), name);
        }
        assert_eq!(HandlerSource::BuiltIn.name(), "welcome");
    }

    #[test]
    fn missing_component_is_named() {
        let mistake = find(&directory_with(&[]), Some("gone.wasm")).unwrap_err();
        assert!(mistake.to_string().contains("gone.wasm: no such file"), "{mistake}");
    }
}
