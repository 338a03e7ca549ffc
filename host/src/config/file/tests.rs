//! What a settings file may say, and how its mistakes are reported.

use proptest::prelude::*;

use super::super::mistake::Mistakes;
use super::*;

fn read_text(text: &str) -> (SettingsFile, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let file = parse(Path::new("conf/wasm-host.toml"), text, &mut mistakes);
    (file, mistakes)
}

fn values(text: &str) -> Vec<(&'static str, String)> {
    let (file, mistakes) = read_text(text);
    assert_eq!(mistakes, [], "{text}");
    let pairs = |given: Given| given.values.into_iter().map(move |(value, _)| (given.setting.name, value));
    file.given.into_iter().flat_map(pairs).collect()
}

/// The first lines of the mistakes, without the path, in the order of the report.
fn report(text: &str) -> Vec<String> {
    let (_, mistakes) = read_text(text);
    let Err(report) = Mistakes::among(mistakes) else { return Vec::new() };
    let report = report.to_string();
    report.lines().filter_map(|line| line.strip_prefix("conf/wasm-host.toml:")).map(str::to_owned).collect()
}

fn fix(text: &str) -> String {
    let (_, mistakes) = read_text(text);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].fix.clone()
}

#[test]
fn strings_and_whole_numbers_are_values() {
    let text = "instances = 1_000\nqueue = \"7\"\ntimeout = '2s'\nfuel = 0x10\n";
    let expected = [("fuel", "16"), ("instances", "1000"), ("queue", "7"), ("timeout", "2s")];
    assert_eq!(values(text), expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn lists_and_the_env_table_are_values() {
    let list = values("allow-outbound = [\"a:1\", \"b:2\"]\nenv = [\"A=1\"]");
    assert_eq!(list.len(), 3);
    assert_eq!(values("[env]\nA = \"x=y\""), [("env", "A=x=y".to_owned())]);
    assert_eq!(values("allow-outbound = \"a:1\"").len(), 1);
}

#[test]
fn empty_list_is_given() {
    let (file, _) = read_text("allow-outbound = []");
    assert_eq!(file.given.len(), 1);
    assert!(file.given[0].values.is_empty());
}

#[test]
fn component_is_relative_to_its_file() {
    let (file, _) = read_text("component = \"app.wasm\"");
    assert_eq!(file.component.unwrap().0, ComponentSource::File("conf/app.wasm".into()));
}

#[test]
fn unknown_key_names_its_line() {
    assert_eq!(report("queue = 1\n\n instanecs = 8\n"), ["3:2: unknown key \"instanecs\""]);
    assert_eq!(fix("instanecs = 8"), "did you mean `instances`?");
    assert_eq!(fix("queue_timeout = \"1s\""), "did you mean `queue-timeout`?");
    assert!(fix("[server]\nport = 1").contains("--help"));
}

#[test]
fn value_of_a_wrong_type_is_refused_where_it_stands() {
    assert_eq!(
        report("instances = 1.5\ntimeout = [\"1s\"]\nallow-outbound = [true]\n[env]\nA = 1\n\"\" = \"x\"\n"),
        [
            "1:13: `instances` is a number with a fraction: expected a string or a whole number",
            "2:11: `timeout` is a list: expected a string or a whole number",
            "3:19: `allow-outbound` is a truth value: expected a list of strings",
            "5:5: `A` is a whole number: expected a string",
            "6:1: \"\" is no name of a variable: it is empty or contains `=` or NUL",
        ]
    );
    assert_eq!(fix("instances = true"), "write `instances = 1000`");
    assert_eq!(report("component = 3"), ["1:13: `component` is a whole number: expected a path"]);
}

#[test]
fn every_mistake_is_reported_once() {
    let text =
        "instances = zero\nunknown-one = 1\ntimeout = [\n  1,,\n]\nqueue = 1\nqueue = 2\nunknown-two = 2\n";
    let places: Vec<String> =
        report(text).iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["1:13", "2:1", "4:5", "7:1", "8:1"]);
}

#[test]
fn columns_count_characters() {
    assert_eq!(report("\"é\" = 1 # é\nqueue = \"é\"; x").len(), 2);
    assert!(report("env = [\"É=é\", 1.5]")[0].starts_with("1:15: "));
}

#[test]
fn secrets_are_not_repeated() {
    let (_, mistakes) = read_text("[env]\nTOKEN = \"hunter2\nOTHER = hunter2\n");
    assert!(!mistakes.is_empty());
    assert!(mistakes.iter().all(|mistake| !mistake.to_string().contains("hunter2")), "{mistakes:?}");
}

#[test]
fn named_file_must_exist_and_the_usual_one_need_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut mistakes = Vec::new();
    assert!(load(None, directory.path(), &mut mistakes).given.is_empty());
    assert_eq!(mistakes, []);
    load(Some(Path::new("gone.toml")), directory.path(), &mut mistakes);
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].to_string().contains("gone.toml: cannot be read"), "{}", mistakes[0]);
}

#[test]
fn file_beyond_its_bound_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(USUAL);
    let bound = usize::try_from(FILE_BYTES_MAX).unwrap();
    for (bytes, count) in [(vec![b'\n'; bound], 0), (vec![b'\n'; bound + 1], 1), (vec![0xff], 1)] {
        std::fs::write(&path, bytes).unwrap();
        let mut mistakes = Vec::new();
        load(None, directory.path(), &mut mistakes);
        assert_eq!(mistakes.len(), count, "{mistakes:?}");
    }
}

#[test]
fn deep_nesting_is_a_mistake_and_no_overflow() {
    for text in ["a.".repeat(100_000) + "a = 1", "a = ".to_owned() + &"[".repeat(100_000)] {
        assert!(!read_text(&text).1.is_empty());
    }
}

/// Texts that are nearly right.
const NEAR_FILE: &str =
    "((env|instances|component|a|\\[|\\]|\\{|\\}|=|\\.|,|\"|'|é|1|\\\\u| |\n|\r|#)){0,60}";

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        read_text(&text);
    }

    #[test]
    fn no_near_file_panics(text in NEAR_FILE) {
        let (_, mistakes) = read_text(&text);
        for mistake in mistakes {
            let Origin::File { line, .. } = mistake.origin else { panic!("not in the file: {mistake}") };
            prop_assert!(line <= text.matches('\n').count() + 1);
        }
    }
}
