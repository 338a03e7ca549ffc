//! Names, what is written about a handler, and the terms that come of it.

use super::*;
use crate::config::setting::defaults;
use std::time::Duration;

fn spec(json: &str) -> HandlerSpec {
    serde_json::from_str(json).expect("a spec")
}

fn resolve(json: &str, host: &Config) -> Result<Terms, String> {
    let name = HandlerName::parse("shop").expect("a name");
    Terms::resolve(&spec(json), &name, host).map_err(|mistakes| mistakes.to_string())
}

/// Row 93.
#[test]
fn names_are_labels_and_never_paths() {
    for name in ["a", "0", "shop-2", &"a".repeat(63)] {
        assert!(HandlerName::parse(name).is_ok(), "{name}");
    }
    let long = "a".repeat(64);
    for name in ["", "-a", "A", "a_b", "..", "../a", "a/b", "a\0", "ä", "a b", "a.b", &long] {
        assert!(HandlerName::parse(name).is_err(), "{name:?}");
        assert!(serde_json::from_value::<HandlerName>(name.into()).is_err(), "{name:?}");
        assert!(HandlerName::parse(&HandlerName::near(name).to_string()).is_ok(), "{name:?}");
    }
    assert_eq!(HandlerName::near("My_App").to_string(), "my-app");
}

#[test]
fn what_is_written_is_kept_as_it_is() {
    let written = spec(
        r#"{"routes":["/a",{"host":"b.example"}],"route-header":true,
            "settings":{"timeout":"2s","max-handles":64,"env":{"A":"1","B":"2"},"allow-outbound":[]}}"#,
    );
    let kept = serde_json::to_string(&written).expect("JSON");
    assert_eq!(spec(&kept), written);
    assert!(serde_json::from_str::<HandlerSpec>(r#"{"route":[]}"#).is_err());
}

#[test]
fn own_settings_replace_those_of_the_host_and_the_others_stay() {
    let mut host = defaults();
    host.grants.env.push(("HOST".to_owned(), "1".to_owned()));
    let terms = resolve(r#"{"settings":{"timeout":"2s","env":["A=1"],"concurrency":"3"}}"#, &host);
    let terms = terms.expect("terms");
    assert_eq!(terms.limits.timeout, Duration::from_secs(2));
    assert_eq!(terms.limits.memory_bytes_max, host.limits.memory_bytes_max);
    assert_eq!(terms.grants.env, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(terms.concurrency.get(), 3);
    let routes: Vec<String> = terms.routes.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["/shop", "/shop/", "/shop/{*rest}"]);
    assert_eq!(resolve("{}", &host).expect("terms").grants.env.len(), 1, "the host's are the defaults");
}

#[test]
fn no_handler_has_more_than_the_host() {
    let mut host = defaults();
    host.limits.fuel = Some(1000);
    let lots = [
        ("timeout", "24h"),
        ("cpu-time", "24h"),
        ("fuel", "1001"),
        ("memory", "4GiB"),
        ("max-handles", "1000000"),
        ("max-hostcall", "128MiB"),
        ("max-random", "64MiB"),
        ("max-fields", "512KiB"),
        ("max-log", "64MiB"),
        ("max-outbound", "1000"),
        ("max-outbound-total", "100000"),
        ("concurrency", "100000"),
    ];
    for (key, value) in lots {
        let refused = resolve(&format!(r#"{{"settings":{{"{key}":"{value}"}}}}"#), &host).expect_err(key);
        assert!(refused.contains(&format!("`{key}` of `shop` is more than the host's")), "{refused}");
    }
    let free = ["rate-limit-handler", "env", "allow-outbound", "middleware"];
    // The pool bounds them all together.
    let kept =
        ["reuse", "reuse-concurrency", "reuse-idle", "reuse-memory", "warm", "warm-age", "code-profile"];
    for key in OWN {
        assert!(Setting::find(key).is_some(), "{key}");
        let unbounded = free.contains(&key) || kept.contains(&key);
        assert!(unbounded || lots.iter().any(|(other, _)| *other == key), "{key} has no bound");
    }
    assert!(resolve(r#"{"settings":{"fuel":"off"}}"#, &host).is_err(), "no limit is more than one");
}

#[test]
fn every_mistake_is_told() {
    let refused =
        resolve(r#"{"settings":{"timeout":"x","instances":"3","timeuot":"1s","zzz":"1"}}"#, &defaults());
    let refused = refused.expect_err("mistakes");
    for part in ["`timeout` is \"x\"", "the whole host's", "did you mean `timeout`?", "unknown key \"zzz\""] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn every_list_replaces_that_of_the_host() {
    let mut host = defaults();
    for (list, value) in [("env", "A=1"), ("allow-outbound", "a:1"), ("middleware", "a.wasm")] {
        Setting::find(list).expect(list).store(&mut host, value).expect(list);
    }
    let terms =
        resolve(r#"{"settings":{"env":[],"allow-outbound":[],"middleware":[]}}"#, &host).expect("terms");
    assert!(terms.grants.env.is_empty() && terms.grants.outbound.is_empty() && terms.middleware.is_empty());
    let lists: Vec<&str> =
        OWN.into_iter().filter(|name| own_setting(name).is_some_and(Setting::repeats)).collect();
    assert_eq!(lists, ["env", "allow-outbound", "middleware"], "a new list needs clearing, too");
}
