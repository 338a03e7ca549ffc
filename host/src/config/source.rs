//! What is served: the handlers that a file, a directory or the command line names, so that `wasm-host`
//! alone does the obvious thing in any directory.

use super::Config;
use super::component::ComponentSource;
use super::file::{SettingsFile, WrittenHandler};
use super::handler::{HandlerConfig, HandlerName, HandlerSpec, Terms, Values, own_setting};
use super::mistake::{Mistake, Origin};
use super::setting::Setting;
use crate::routing::{Route, RouteTable};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory that is served where nothing is named.
pub(super) const HANDLERS: &str = "handlers";
/// What the component is called that serves what no other of its directory does.
const INDEX: &str = "index";
/// Handlers of one host at most: each has its compiled code in memory.
const HANDLERS_MAX: usize = 10_000;

/// Finds what is served: what the command line names, else what the file does, else `./handlers/`, else the
/// welcome handler. The settings of `host` are every handler's defaults.
pub(super) fn find(
    named: Option<&Path>,
    file: SettingsFile,
    directory: &Path,
    host: &Config,
    mistakes: &mut Vec<Mistake>,
) -> Vec<HandlerConfig> {
    if let (Some((_, origin)), true) = (&file.component, file.names_handlers) {
        mistakes.push(Mistake {
            origin: origin.clone(),
            what: "`component` is served at every path, and `[handlers]` names others".to_owned(),
            fix: "move it into a `[handlers.NAME]` with `routes = [\"*\"]`".to_owned(),
        });
    }
    let named = match named.map(|path| ComponentSource::read(path, directory)) {
        Some(Ok(source)) => Some((source.clone(), origin_of(&source))),
        Some(Err(bad)) => {
            let what = format!("the component is {:?}: {bad}", named.unwrap_or(Path::new("")));
            let fix = "write `oci://registry.example/app:1.0`, or name a file or directory".to_owned();
            mistakes.push(Mistake { origin: Origin::Flag, what, fix });
            return Vec::new();
        }
        None => None,
    };
    let usual = directory.join(HANDLERS);
    let mut finder = Finder { host, mistakes, found: Vec::new() };
    match named.or(file.component) {
        Some((source, origin)) => finder.at(source, origin),
        None if file.names_handlers => finder.in_file(file.handlers),
        None if usual.is_dir() => finder.in_directory(&usual, Origin::Path(usual.clone())),
        None => finder.at(ComponentSource::BuiltIn, Origin::Nowhere),
    }
    finder.found
}

/// What was found so far, and what is wrong with it.
struct Finder<'a> {
    host: &'a Config,
    mistakes: &'a mut Vec<Mistake>,
    found: Vec<HandlerConfig>,
}

impl Finder<'_> {
    /// One handler for everything.
    fn single(&mut self, name: HandlerName, source: ComponentSource, origin: Origin) {
        let terms = Terms::of_host(self.host, vec![Route::every()]);
        self.found.push(HandlerConfig { name, source, terms, origin, own: Vec::new() });
    }

    fn at(&mut self, source: ComponentSource, origin: Origin) {
        match source {
            ComponentSource::File(path) => self.at_path(path, origin),
            ComponentSource::Registry(ref reference) => {
                self.single(HandlerName::near(reference.short_name()), source, origin);
            }
            ComponentSource::BuiltIn => self.single(HandlerName::near("welcome"), source, origin),
            // Nobody writes that: it is what a store is asked for.
            ComponentSource::Deployed(_) => {}
        }
    }

    fn at_path(&mut self, path: PathBuf, origin: Origin) {
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => self.in_directory(&path, origin),
            Ok(_) => self.single(name_of(&path), ComponentSource::File(path), origin),
            Err(error) => self.mistakes.push(absent(&path, origin, &error)),
        }
    }

    /// Every component of a directory, at its name; the index where no other is.
    fn in_directory(&mut self, directory: &Path, origin: Origin) {
        let components = match components_of(directory) {
            Ok(components) => components,
            Err(error) => return self.mistakes.push(unreadable(directory, origin, &error)),
        };
        if components.is_empty() {
            return self.mistakes.push(Mistake {
                what: about(&origin, directory, "the directory holds no component (a .wasm file)"),
                fix: format!("put a component into it as {INDEX}.wasm, or name a component"),
                origin,
            });
        }
        self.bound(components.len(), &origin);
        for path in components.into_iter().take(HANDLERS_MAX) {
            let origin = Origin::Path(path.clone());
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = match HandlerName::parse(&stem) {
                Ok(name) => name,
                Err(bad) => {
                    let fix = format!("rename the file, for example to {}.wasm", HandlerName::near(&stem));
                    self.mistakes.push(Mistake { origin, what: bad.to_string(), fix });
                    continue;
                }
            };
            let routes = if stem == INDEX { vec![Route::every()] } else { name.usual_routes() };
            let terms = Terms::of_host(self.host, routes);
            let source = ComponentSource::File(path);
            self.found.push(HandlerConfig { name, source, terms, origin, own: Vec::new() });
        }
    }

    /// The handlers that the settings file names.
    fn in_file(&mut self, handlers: Vec<WrittenHandler>) {
        if let Some(handler) = handlers.get(HANDLERS_MAX) {
            self.bound(handlers.len(), &handler.origin);
        }
        let mut table = RouteTable::default();
        for handler in handlers.into_iter().take(HANDLERS_MAX) {
            let WrittenHandler { name, origin, component, spec, route_origins, setting_origins } = handler;
            let at = origin.clone();
            let place = |key: &str| setting_origins.get(key).unwrap_or(&at).clone();
            let terms = Terms::resolve_at(&spec, &name, self.host, place, self.mistakes);
            for (number, route) in terms.routes.iter().enumerate() {
                let origin = route_origins.get(number).unwrap_or(&origin);
                let target = Arc::new((name.clone(), origin.clone()));
                if let Err(conflict) = table.insert(route, target) {
                    let (with, at) = &*conflict.with;
                    self.mistakes.push(Mistake {
                        origin: origin.clone(),
                        what: format!("the route `{route}` of `{name}` is one of `{with}`, too ({at})"),
                        fix: "give one of the two another path, host or method, or take it away".to_owned(),
                    });
                }
            }
            let Some((source, origin)) = component else { continue };
            match lacking(&source, &origin) {
                Some(mistake) => self.mistakes.push(mistake),
                None => {
                    let own = own(&spec, place);
                    self.found.push(HandlerConfig { name, source, terms, origin, own });
                }
            }
        }
    }

    fn bound(&mut self, count: usize, origin: &Origin) {
        if count > HANDLERS_MAX {
            self.mistakes.push(Mistake {
                origin: origin.clone(),
                what: format!("there are {count} handlers, and a host serves {HANDLERS_MAX} at most"),
                fix: "spread them over several hosts".to_owned(),
            });
        }
    }
}

/// A handler's own settings, with where they are written.
fn own(spec: &HandlerSpec, place: impl Fn(&str) -> Origin) -> Vec<(&'static Setting, Vec<String>, Origin)> {
    let found = |(key, values): (&String, &Values)| Some((own_setting(key)?, values.0.clone(), place(key)));
    spec.settings.iter().filter_map(found).collect()
}

/// Where a component that the command line names comes from.
fn origin_of(source: &ComponentSource) -> Origin {
    match source {
        ComponentSource::File(path) => Origin::Path(path.clone()),
        ComponentSource::Registry(_) | ComponentSource::BuiltIn | ComponentSource::Deployed(_) => {
            Origin::Flag
        }
    }
}

/// The mistake of naming a file that there is not; what there is in registries only they know.
fn lacking(source: &ComponentSource, origin: &Origin) -> Option<Mistake> {
    let ComponentSource::File(path) = source else { return None };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some(Mistake {
            what: format!("`component` is {path:?}: it is a directory"),
            fix: "name a component (a .wasm file)".to_owned(),
            origin: origin.clone(),
        }),
        Ok(_) => None,
        Err(error) => Some(absent(path, origin.clone(), &error)),
    }
}

/// The name of the handler of one file: the file's, or its directory's if the file is the index.
fn name_of(path: &Path) -> HandlerName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match path.parent().and_then(Path::file_stem) {
        Some(directory) if stem == INDEX => HandlerName::near(&directory.to_string_lossy()),
        Some(_) | None => HandlerName::near(&stem),
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

fn absent(path: &Path, origin: Origin, error: &io::Error) -> Mistake {
    if error.kind() != io::ErrorKind::NotFound {
        return unreadable(path, origin, error);
    }
    Mistake {
        what: about(&origin, path, "no such file or directory"),
        fix: "name a component (a .wasm file) or a directory that holds one".to_owned(),
        origin,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::defaults;

    fn directory_with(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        directory
    }

    /// What is served, as `name at route`, and the mistakes.
    fn found(directory: &tempfile::TempDir, named: Option<&str>) -> (Vec<String>, Vec<String>) {
        let mut mistakes = Vec::new();
        let file = SettingsFile::default();
        let handlers = find(named.map(Path::new), file, directory.path(), &defaults(), &mut mistakes);
        let told = |handler: &HandlerConfig| format!("{} at {}", handler.name, handler.terms.routes[0]);
        (handlers.iter().map(told).collect(), mistakes.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check(files: &[&str], named: Option<&str>, expected: &[&str]) {
        let (handlers, mistakes) = found(&directory_with(files), named);
        assert_eq!(mistakes, [""; 0], "{files:?} {named:?}");
        assert_eq!(handlers, expected, "{files:?} {named:?}");
    }

    #[test]
    fn named_path_beats_handlers_directory_beats_welcome() {
        check(&["app.wasm", "handlers/other.wasm"], Some("app.wasm"), &["app at *"]);
        check(&["app.wasm", "handlers/other.wasm"], None, &["other at /other"]);
        check(&["app.wasm"], None, &["welcome at *"]);
        check(&["handlers"], None, &["welcome at *"]);
    }

    #[test]
    fn directory_serves_each_component_at_its_name_and_the_index_elsewhere() {
        check(&["d/a.wasm", "d/b.txt", "d/c.wasm/x"], Some("d"), &["a at /a"]);
        check(&["d/b.wasm", "d/a.wasm", "d/index.wasm"], Some("d"), &["a at /a", "b at /b", "index at *"]);
    }

    #[test]
    fn a_lone_component_is_named_after_its_file_or_its_directory() {
        check(&["a/My_App.wasm"], Some("a/My_App.wasm"), &["my-app at *"]);
        check(&["a/shop/index.wasm"], Some("a/shop/index.wasm"), &["shop at *"]);
    }

    #[test]
    fn directory_without_a_component_and_files_without_a_name_are_mistakes() {
        let (_, none) = found(&directory_with(&["d/readme.txt"]), Some("d"));
        assert!(none[0].contains("holds no component"), "{none:?}");
        let (handlers, bad) = found(&directory_with(&["d/a_b.wasm", "d/ok.wasm", "d/Ä.wasm"]), Some("d"));
        assert_eq!(handlers, ["ok at /ok"]);
        assert_eq!(bad.len(), 2, "{bad:?}");
        assert!(bad[0].contains("a_b.wasm: \"a_b\" is no name") && bad[0].contains("a-b.wasm"), "{bad:?}");
    }

    #[test]
    fn missing_component_is_named() {
        let (_, mistakes) = found(&directory_with(&[]), Some("gone.wasm"));
        assert!(mistakes[0].contains("gone.wasm: no such file"), "{mistakes:?}");
    }
}
