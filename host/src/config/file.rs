//! Reads `wasm-host.toml`, and goes on after a mistake so that one look at the report mends the
//! whole file. Values are checked by their settings, later and in the same way as flags.

mod handlers;

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::component::ComponentSource;
use super::mistake::{Mistake, Origin};
use super::setting::{Given, SETTINGS, Setting, closest};
use handlers::HANDLERS;

pub(super) use handlers::WrittenHandler;

/// The file that is read where none is named.
const USUAL: &str = "wasm-host.toml";
/// The key that names what is served, and of a handler; not a setting, since on the command line it needs no flag.
const COMPONENT: &str = "component";
/// The setting that may be a table.
const ENV: &str = "env";
/// Settings are a page; what is longer is some other file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a settings file says.
#[derive(Default)]
pub(super) struct SettingsFile {
    /// What to serve, and where that is written.
    pub(super) component: Option<(ComponentSource, Origin)>,
    /// Its settings, not yet checked.
    pub(super) given: Vec<Given>,
    /// Whether it has a table of handlers.
    pub(super) names_handlers: bool,
    /// The handlers in it that can be told apart.
    pub(super) handlers: Vec<WrittenHandler>,
}

/// Where the settings file is, or would be.
pub(super) fn path(named: Option<&Path>, directory: &Path) -> PathBuf {
    directory.join(named.unwrap_or(Path::new(USUAL)))
}

/// Reads the named file, which must exist, else the usual one if it does.
pub(super) fn load(named: Option<&Path>, directory: &Path, mistakes: &mut Vec<Mistake>) -> SettingsFile {
    let path = path(named, directory);
    let (what, fix) = match read(&path) {
        Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => (
            "the file is longer than 1 MiB".to_owned(),
            format!("name a settings file, usually {USUAL}; components are named without --config"),
        ),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return parse(&path, &text, mistakes),
            Err(error) => {
                (format!("the file is not UTF-8: {}", error.utf8_error()), "save it as UTF-8 text".to_owned())
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return SettingsFile::default();
        }
        Err(error) => {
            (format!("cannot be read: {error}"), "name a settings file that can be read".to_owned())
        }
    };
    mistakes.push(Mistake { origin: Origin::Path(path), what, fix });
    SettingsFile::default()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> SettingsFile {
    let mut reader = Reader { path, text, mistakes, file: SettingsFile::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors: Vec<(usize, &str)> =
        errors.iter().map(|error| (error.span().unwrap_or_default().start, error.message())).collect();
    for (offset, message) in &errors {
        reader.syntax(*offset, message);
    }
    for (key, value) in table.get_ref() {
        // The parser puts a guess where it could not read: what is said of a guess would mislead.
        let lines = reader.lines_of(key.span(), value.span());
        if !errors.iter().any(|(offset, _)| lines.contains(offset)) {
            reader.entry(key, value);
        }
    }
    reader.file
}

/// One pass over a file, which collects what it says and what is wrong with it.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    mistakes: &'a mut Vec<Mistake>,
    file: SettingsFile,
}

impl Reader<'_> {
    fn syntax(&mut self, offset: usize, message: &str) {
        // The line itself is not repeated: it may hold a secret.
        let fix = match message {
            "duplicate key" => "keep one of the two",
            _ if message.starts_with("string values must be quoted") => {
                "put quotes around text, as in `queue-timeout = \"1s\"`"
            }
            _ => "mend the line: it is a key, `=` and a value, as in `queue-timeout = \"1s\"`",
        };
        self.report(offset, message.to_owned(), fix.to_owned());
    }

    fn entry(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let name = key.get_ref().as_ref();
        if name == COMPONENT {
            self.file.component = self.component(value);
            return;
        }
        if name == HANDLERS {
            return self.handlers(value);
        }
        match (Setting::find(name), value.get_ref()) {
            (Some(setting), DeValue::Table(table)) if name == ENV => {
                let values = self.variables(table);
                self.file.given.push(Given { setting, values });
            }
            (Some(setting), DeValue::Array(items)) if setting.repeats() => {
                let values = items.iter().filter_map(|item| self.value(setting, item)).collect();
                self.file.given.push(Given { setting, values });
            }
            (Some(setting), _) => {
                let values = self.value(setting, value).into_iter().collect();
                self.file.given.push(Given { setting, values });
            }
            (None, _) => self.unknown(key.span().start, name),
        }
    }

    /// A component; a path is relative to the file.
    fn component(&mut self, value: &Spanned<DeValue<'_>>) -> Option<(ComponentSource, Origin)> {
        let at = value.span().start;
        match value.get_ref().as_str() {
            Some(path) if !path.is_empty() && !path.contains('\0') => {
                let base = self.path.parent().unwrap_or(Path::new(""));
                match ComponentSource::read(Path::new(path), base) {
                    Ok(source) => Some((source, self.origin(at))),
                    Err(bad) => {
                        let what = format!("`{COMPONENT}` is {path:?}: {bad}");
                        let fix = format!("write `{COMPONENT} = \"oci://registry.example/app:1.0\"`");
                        self.report(at, what, fix);
                        None
                    }
                }
            }
            Some(_) | None => {
                let what = format!("`{COMPONENT}` is {}: expected a path", kind(value.get_ref()));
                self.report(at, what, format!("write `{COMPONENT} = \"app.wasm\"`"));
                None
            }
        }
    }

    fn variables(&mut self, table: &DeTable<'_>) -> Vec<(String, Origin)> {
        let mut values = Vec::new();
        for (key, value) in table {
            let name = key.get_ref();
            if name.is_empty() || name.contains(['=', '\0']) {
                let what = format!("{name:?} is no name of a variable: it is empty or contains `=` or NUL");
                self.report(key.span().start, what, "rename the variable".to_owned());
            } else if let DeValue::String(text) = value.get_ref() {
                values.push((format!("{name}={text}"), self.origin(value.span().start)));
            } else {
                let what = format!("`{name}` is {}: expected a string", kind(value.get_ref()));
                self.report(value.span().start, what, format!("write `{name} = \"…\"`"));
            }
        }
        values
    }

    /// The text of a string or of a whole number.
    fn value(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) -> Option<(String, Origin)> {
        let origin = self.origin(value.span().start);
        match value.get_ref() {
            DeValue::String(text) => Some((text.clone().into_owned(), origin)),
            DeValue::Integer(number) => {
                let decimal = i128::from_str_radix(number.as_str(), number.radix());
                Some((decimal.map_or(number.to_string(), |decimal| decimal.to_string()), origin))
            }
            other @ (DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)) => {
                let expected =
                    if setting.repeats() { "a list of strings" } else { "a string or a whole number" };
                let what = format!("`{}` is {}: expected {expected}", setting.name, kind(other));
                let fix = format!("write `{}`", setting.assignment(&origin, None));
                self.report(value.span().start, what, fix);
                None
            }
        }
    }

    fn unknown(&mut self, offset: usize, name: &str) {
        let names =
            SETTINGS.iter().map(|setting| setting.name).chain([COMPONENT, HANDLERS]).map(str::to_owned);
        let fix = match closest(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                "remove it; `wasm-host --help` lists the settings, each is a key without its `--`".to_owned()
            }
        };
        self.report(offset, format!("unknown key {name:?}"), fix);
    }

    fn report(&mut self, offset: usize, what: String, fix: String) {
        self.mistakes.push(Mistake { origin: self.origin(offset), what, fix });
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The offsets of the lines that a key and its value stand on, line ends included.
    fn lines_of(&self, key: Range<usize>, value: Range<usize>) -> Range<usize> {
        let (first, last) = (key.start.min(value.start), key.end.max(value.end));
        let before = self.text.get(..first).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let after = self.text.get(last..).unwrap_or_default();
        let end = after.find('\n').map_or(self.text.len(), |newline| last + newline);
        start..end + 1
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string that is empty or contains NUL",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests;
