//! `fields`: what is in them, who may change them, and what they refuse.

use behaviours::wasip2::http::types::{Fields, HeaderError};

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;

pub(crate) const CHECKS: &[Check] = &[
    ("fields-new-are-empty", new_are_empty),
    ("fields-made-by-a-guest-are-mutable", made_are_mutable),
    ("fields-from-list-keep-every-pair", from_list_keeps_every_pair),
    ("fields-from-list-refuse-bad-syntax", from_list_refuses_bad_syntax),
    ("fields-from-list-refuse-the-forbidden", from_list_refuses_the_forbidden),
    ("fields-absent-are-an-empty-list", absent_are_an_empty_list),
    ("fields-empty-value-is-a-value", empty_value_is_a_value),
    ("fields-has-tells-presence", has_tells_presence),
    ("fields-names-ignore-case", names_ignore_case),
    ("fields-values-are-bytes", values_are_bytes),
    ("fields-set-replaces-all-values", set_replaces_all_values),
    ("fields-set-refuses-bad-syntax", set_refuses_bad_syntax),
    ("fields-delete-takes-all-values", delete_takes_all_values),
    ("fields-delete-of-the-absent-does-nothing", delete_of_the_absent),
    ("fields-delete-refuses-bad-syntax", delete_refuses_bad_syntax),
    ("fields-append-keeps-what-was-there", append_keeps_what_was_there),
    ("fields-append-refuses-bad-syntax", append_refuses_bad_syntax),
    ("fields-of-the-connection-are-forbidden", connections_own_are_forbidden),
    ("fields-entries-are-every-pair-in-order", entries_are_every_pair),
    ("fields-clone-is-deep", clone_is_deep),
];

/// Names that are no token (RFC 9110 §5.6.2).
const BAD_NAMES: [&str; 7] = ["", " x", "x y", "x:", "x\r\n", "x\0", "naïve"];
/// Values that would end a line or a string.
const BAD_VALUES: [&[u8]; 4] = [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"];
/// What belongs to the connection and not to a message.
const FORBIDDEN: [&str; 6] =
    ["connection", "keep-alive", "Transfer-Encoding", "upgrade", "host", "proxy-connection"];

fn list(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.entries()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn made(given: &[(&str, &str)]) -> Result<Fields, String> {
    Fields::from_list(&pairs(given)).map_err(|error| format!("from-list {given:?}: {error:?}"))
}

fn done<T>(what: &str, result: Result<T, HeaderError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error:?}"))
}

fn invalid<T>(what: &str, result: Result<T, HeaderError>) -> Outcome {
    match result {
        Err(HeaderError::InvalidSyntax) => Ok(()),
        Err(error) => Err(format!("{what}: {error:?}")),
        Ok(_) => Err(format!("{what}: accepted")),
    }
}

fn new_are_empty(_: &Call) -> Outcome {
    let fields = Fields::new();
    ensure!(list(&fields).is_empty(), "{:?}", list(&fields));
    Ok(())
}

fn made_are_mutable(_: &Call) -> Outcome {
    let new = Fields::new();
    let listed = made(&[("x-a", "1")])?;
    let cloned = listed.clone();
    for (what, fields) in [("constructor", new), ("from-list", listed), ("clone", cloned)] {
        done(what, fields.set("x-a", &[b"2".to_vec()]))?;
        done(what, fields.append("x-a", b"3"))?;
        ensure!(list(&fields) == pairs(&[("x-a", "2"), ("x-a", "3")]), "{what}: {:?}", list(&fields));
        done(what, fields.delete("x-a"))?;
        ensure!(list(&fields).is_empty(), "{what}: {:?}", list(&fields));
    }
    Ok(())
}

fn from_list_keeps_every_pair(_: &Call) -> Outcome {
    let given = [("x-a", "1"), ("x-a", "2"), ("x-a", "1"), ("x-b", "")];
    let fields = made(&given)?;
    ensure!(list(&fields) == pairs(&given), "{:?}", list(&fields));
    Ok(())
}

fn from_list_refuses_bad_syntax(_: &Call) -> Outcome {
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), Fields::from_list(&[(name.to_owned(), b"x".to_vec())]))?;
    }
    for value in BAD_VALUES {
        invalid(&format!("{value:?}"), Fields::from_list(&[("x-a".to_owned(), value.to_vec())]))?;
    }
    Ok(())
}

fn from_list_refuses_the_forbidden(_: &Call) -> Outcome {
    for name in FORBIDDEN {
        let result = Fields::from_list(&[(name.to_owned(), b"x".to_vec())]);
        ensure!(matches!(result, Err(HeaderError::Forbidden)), "{name}: {:?}", result.err());
    }
    Ok(())
}

fn absent_are_an_empty_list(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    for name in ["x-b"].into_iter().chain(BAD_NAMES) {
        ensure!(fields.get(name).is_empty(), "{name:?}: {:?}", fields.get(name));
    }
    Ok(())
}

fn empty_value_is_a_value(_: &Call) -> Outcome {
    let fields = made(&[("x-a", ""), ("x-b", ""), ("x-b", "")])?;
    ensure!(fields.get("x-a") == [b""], "{:?}", fields.get("x-a"));
    ensure!(fields.get("x-b") == [b"", b""], "{:?}", fields.get("x-b"));
    Ok(())
}

fn has_tells_presence(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "")])?;
    ensure!(fields.has("x-a"), "has x-a: false");
    for name in ["x-b"].into_iter().chain(BAD_NAMES) {
        ensure!(!fields.has(name), "has {name:?}: true");
    }
    Ok(())
}

fn names_ignore_case(_: &Call) -> Outcome {
    let fields = made(&[("X-Mixed", "1"), ("x-mixed", "2")])?;
    for name in ["X-Mixed", "x-mixed", "X-MIXED"] {
        ensure!(fields.get(name) == [b"1", b"2"], "get {name}: {:?}", fields.get(name));
        ensure!(fields.has(name), "has {name}: false");
    }
    done("set", fields.set("X-MIXED", &[b"3".to_vec()]))?;
    ensure!(list(&fields).len() == 1, "{:?}", list(&fields));
    done("delete", fields.delete("x-Mixed"))?;
    ensure!(list(&fields).is_empty(), "{:?}", list(&fields));
    Ok(())
}

fn values_are_bytes(_: &Call) -> Outcome {
    let value = b"\xff\x80 caf\xc3\xa9\t\x01".to_vec();
    let latin = value[..value.len() - 1].to_vec();
    let fields = Fields::new();
    done("append", fields.append("x-a", &latin))?;
    ensure!(fields.get("x-a") == [latin.clone()], "{:?}", fields.get("x-a"));
    ensure!(list(&fields) == [("x-a".to_owned(), latin)], "{:?}", list(&fields));
    Ok(())
}

fn set_replaces_all_values(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-b", "b"), ("x-a", "2")])?;
    done("set", fields.set("x-a", &[b"3".to_vec(), b"4".to_vec()]))?;
    ensure!(fields.get("x-a") == [b"3", b"4"], "{:?}", fields.get("x-a"));
    ensure!(fields.get("x-b") == [b"b"], "{:?}", fields.get("x-b"));
    done("set", fields.set("x-a", &[]))?;
    ensure!(!fields.has("x-a"), "set to nothing: {:?}", fields.get("x-a"));
    Ok(())
}

fn set_refuses_bad_syntax(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), fields.set(name, &[b"x".to_vec()]))?;
    }
    for value in BAD_VALUES {
        invalid(&format!("{value:?}"), fields.set("x-b", &[b"good".to_vec(), value.to_vec()]))?;
    }
    ensure!(fields.get("x-a") == [b"1"], "{:?}", fields.get("x-a"));
    Ok(())
}

fn delete_takes_all_values(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-b", "b"), ("x-a", "2")])?;
    done("delete", fields.delete("x-a"))?;
    ensure!(list(&fields) == pairs(&[("x-b", "b")]), "{:?}", list(&fields));
    Ok(())
}

fn delete_of_the_absent(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    done("delete", fields.delete("x-b"))?;
    ensure!(list(&fields) == pairs(&[("x-a", "1")]), "{:?}", list(&fields));
    Ok(())
}

fn delete_refuses_bad_syntax(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), fields.delete(name))?;
    }
    Ok(())
}

fn append_keeps_what_was_there(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    done("append", fields.append("x-a", b"2"))?;
    done("append", fields.append("x-a", b"1"))?;
    ensure!(fields.get("x-a") == [b"1", b"2", b"1"], "{:?}", fields.get("x-a"));
    Ok(())
}

fn append_refuses_bad_syntax(_: &Call) -> Outcome {
    let fields = Fields::new();
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), fields.append(name, b"x"))?;
    }
    for value in BAD_VALUES {
        invalid(&format!("{value:?}"), fields.append("x-a", value))?;
    }
    ensure!(list(&fields).is_empty(), "{:?}", list(&fields));
    Ok(())
}

fn connections_own_are_forbidden(_: &Call) -> Outcome {
    let fields = Fields::new();
    for name in FORBIDDEN {
        for (what, result) in
            [("append", fields.append(name, b"x")), ("set", fields.set(name, &[b"x".to_vec()]))]
        {
            ensure!(matches!(result, Err(HeaderError::Forbidden)), "{what} {name}: {result:?}");
        }
    }
    ensure!(list(&fields).is_empty(), "{:?}", list(&fields));
    Ok(())
}

fn entries_are_every_pair(_: &Call) -> Outcome {
    let given = [("x-c", "1"), ("x-a", "2"), ("x-b", "3"), ("x-b", "4"), ("x-d", "5")];
    let fields = Fields::new();
    for (name, value) in given {
        done("append", fields.append(name, value.as_bytes()))?;
    }
    ensure!(list(&fields) == pairs(&given), "{:?}", list(&fields));
    Ok(())
}

fn clone_is_deep(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-a", "2")])?;
    let copy = fields.clone();
    ensure!(list(&copy) == list(&fields), "{:?}", list(&copy));
    done("append", copy.append("x-b", b"3"))?;
    done("delete", copy.delete("x-a"))?;
    ensure!(list(&fields) == pairs(&[("x-a", "1"), ("x-a", "2")]), "{:?}", list(&fields));
    done("append", fields.append("x-c", b"4"))?;
    ensure!(list(&copy) == pairs(&[("x-b", "3")]), "{:?}", list(&copy));
    Ok(())
}
