//! The tables of `tests/conformance`: which claim of an interface is kept by which check.

use crate::harness::workspace;
use std::collections::BTreeSet;
use std::fs;

/// What keeps a claim.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Check {
    /// A check that a guest does by itself.
    Guest(String),
    /// Something that a guest does and must not survive.
    Trap(String),
    /// A test of this name, `module::function`, which looks from outside.
    Test(String),
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What of the interface the claim is about.
    pub(super) item: String,
    /// Its words.
    pub(super) claim: String,
    pub(super) check: Check,
}

/// The rows of `tests/conformance/NAME.md`.
pub(super) fn rows(name: &str) -> Vec<Row> {
    let path = workspace().join("tests/conformance").join(format!("{name}.md"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows: Vec<_> = text.lines().filter_map(row).collect();
    assert!(rows.len() > 10, "{}: the rows were not found", path.display());
    rows
}

/// `| item | claim | check |`; anything else in the file is for people.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").map(str::trim).collect();
    let [item, claim, check] = cells.as_slice() else { panic!("not a row of three: {line}") };
    let (kind, name) = check.split_once(" `")?;
    let name = name.strip_suffix('`').unwrap_or_else(|| panic!("no name: {line}")).to_owned();
    let check = match kind {
        "guest" => Check::Guest(name),
        "trap" => Check::Trap(name),
        "test" => Check::Test(name),
        _ => panic!("neither guest nor trap nor test: {line}"),
    };
    Some(Row { item: item.trim_matches('`').to_owned(), claim: (*claim).to_owned(), check })
}

/// Asserts that every claim is in the words of these files of `wit/`.
#[track_caller]
pub(super) fn assert_quoted(rows: &[Row], files: &[&str]) {
    let mut text = String::new();
    for file in files {
        let path = workspace().join("wit").join(file);
        let wit = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for line in wit.lines() {
            text.push_str(line.trim().trim_start_matches('/').trim());
            text.push(' ');
        }
    }
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain(&text);
    let missing: Vec<_> =
        rows.iter().filter(|row| !row.claim.split(" … ").all(|part| text.contains(&plain(part)))).collect();
    assert!(missing.is_empty(), "claims that the interface does not make: {missing:#?}");
}

/// Asserts that the tests of the rows exist, and that every test of the module `own` has a row, or is one of
/// `others`.
#[track_caller]
pub(super) fn assert_tests(rows: &[Row], own: &str, others: &[&str]) {
    let named: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| match &row.check {
            Check::Test(name) => Some(name.clone()),
            Check::Guest(_) | Check::Trap(_) => None,
        })
        .collect();
    for name in &named {
        let (module, _) = name.split_once("::").unwrap_or_else(|| panic!("{name}: no module"));
        assert!(tests_of(module).contains(name), "there is no test {name}");
    }
    for name in tests_of(own) {
        let known = named.contains(&name) || others.contains(&name.as_str());
        assert!(known, "the table has no row for {name}");
    }
}

/// The tests of a module of `tests/serving`, as `module::function`.
fn tests_of(module: &str) -> BTreeSet<String> {
    let file = workspace().join("tests/serving").join(format!("{module}.rs"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut tests = BTreeSet::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[test]" {
            let function = lines.find_map(|line| line.trim().strip_prefix("fn ")?.split('(').next());
            tests.insert(format!("{module}::{}", function.expect("a test is a function")));
        }
    }
    tests
}

/// Asserts that the guest's checks and the rows are the same.
#[track_caller]
pub(super) fn assert_checks(rows: &[Row], listed: &str) {
    let has: BTreeSet<_> = listed
        .lines()
        .map(|name| match name.strip_prefix("trap/") {
            Some(name) => Check::Trap(name.to_owned()),
            None => Check::Guest(name.to_owned()),
        })
        .collect();
    let named: BTreeSet<_> =
        rows.iter().map(|row| row.check.clone()).filter(|check| !matches!(check, Check::Test(_))).collect();
    let (missing, unnamed): (Vec<_>, Vec<_>) =
        (named.difference(&has).collect(), has.difference(&named).collect());
    assert!(missing.is_empty() && unnamed.is_empty(), "no check: {missing:?}; no row: {unnamed:?}");
}
