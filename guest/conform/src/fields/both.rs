//! What holds for `fields` of WASI 0.2 and of 0.3 alike. Both guests are compiled with this file, each with its own
//! types.

use super::{Fields, HeaderError, list};
use crate::call::{Call, Outcome};
use crate::ensure;

/// Names that are no token (RFC 9110 §5.6.2).
pub(super) const BAD_NAMES: [&str; 7] = ["", " x", "x y", "x:", "x\r\n", "x\0", "naïve"];
/// Values that would end a line or a string.
const BAD_VALUES: [&[u8]; 4] = [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"];
/// What belongs to the connection and not to a message.
const FORBIDDEN: [&str; 6] =
    ["connection", "keep-alive", "Transfer-Encoding", "upgrade", "host", "proxy-connection"];

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

pub(super) fn made(given: &[(&str, &str)]) -> Result<Fields, String> {
    Fields::from_list(&pairs(given)).map_err(|error| format!("from-list {given:?}: {error:?}"))
}

pub(super) fn done<T>(what: &str, result: Result<T, HeaderError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error:?}"))
}

pub(super) fn invalid<T>(what: &str, result: Result<T, HeaderError>) -> Outcome {
    match result {
        Err(HeaderError::InvalidSyntax) => Ok(()),
        Err(error) => Err(format!("{what}: {error:?}")),
        Ok(_) => Err(format!("{what}: accepted")),
    }
}

pub(super) fn new_are_empty(_: &Call) -> Outcome {
    let fields = Fields::new();
    ensure!(list(&fields).is_empty(), "{:?}", list(&fields));
    Ok(())
}

pub(super) fn made_are_mutable(_: &Call) -> Outcome {
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

pub(super) fn from_list_keeps_every_pair(_: &Call) -> Outcome {
    let given = [("x-a", "1"), ("x-a", "2"), ("x-a", "1"), ("x-b", "")];
    let fields = made(&given)?;
    ensure!(list(&fields) == pairs(&given), "{:?}", list(&fields));
    Ok(())
}

pub(super) fn from_list_refuses_bad_syntax(_: &Call) -> Outcome {
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), Fields::from_list(&[(name.to_owned(), b"x".to_vec())]))?;
    }
    for value in BAD_VALUES {
        invalid(&format!("{value:?}"), Fields::from_list(&[("x-a".to_owned(), value.to_vec())]))?;
    }
    Ok(())
}

pub(super) fn from_list_refuses_the_forbidden(_: &Call) -> Outcome {
    for name in FORBIDDEN {
        let result = Fields::from_list(&[(name.to_owned(), b"x".to_vec())]);
        ensure!(matches!(result, Err(HeaderError::Forbidden)), "{name}: {:?}", result.err());
    }
    Ok(())
}

pub(super) fn absent_are_an_empty_list(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    for name in ["x-b"].into_iter().chain(BAD_NAMES) {
        ensure!(fields.get(name).is_empty(), "{name:?}: {:?}", fields.get(name));
    }
    Ok(())
}

pub(super) fn empty_value_is_a_value(_: &Call) -> Outcome {
    let fields = made(&[("x-a", ""), ("x-b", ""), ("x-b", "")])?;
    ensure!(fields.get("x-a") == [b""], "{:?}", fields.get("x-a"));
    ensure!(fields.get("x-b") == [b"", b""], "{:?}", fields.get("x-b"));
    Ok(())
}

pub(super) fn has_tells_presence(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "")])?;
    ensure!(fields.has("x-a"), "has x-a: false");
    for name in ["x-b"].into_iter().chain(BAD_NAMES) {
        ensure!(!fields.has(name), "has {name:?}: true");
    }
    Ok(())
}

pub(super) fn names_ignore_case(_: &Call) -> Outcome {
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

pub(super) fn values_are_bytes(_: &Call) -> Outcome {
    let value = b"\xff\x80 caf\xc3\xa9\t\x01".to_vec();
    let latin = value[..value.len() - 1].to_vec();
    let fields = Fields::new();
    done("append", fields.append("x-a", &latin))?;
    ensure!(fields.get("x-a") == [latin.clone()], "{:?}", fields.get("x-a"));
    ensure!(list(&fields) == [("x-a".to_owned(), latin)], "{:?}", list(&fields));
    Ok(())
}

pub(super) fn set_replaces_all_values(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-b", "b"), ("x-a", "2")])?;
    done("set", fields.set("x-a", &[b"3".to_vec(), b"4".to_vec()]))?;
    ensure!(fields.get("x-a") == [b"3", b"4"], "{:?}", fields.get("x-a"));
    ensure!(fields.get("x-b") == [b"b"], "{:?}", fields.get("x-b"));
    done("set", fields.set("x-a", &[]))?;
    ensure!(!fields.has("x-a"), "set to nothing: {:?}", fields.get("x-a"));
    Ok(())
}

pub(super) fn set_refuses_bad_syntax(_: &Call) -> Outcome {
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

pub(super) fn delete_takes_all_values(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-b", "b"), ("x-a", "2")])?;
    done("delete", fields.delete("x-a"))?;
    ensure!(list(&fields) == pairs(&[("x-b", "b")]), "{:?}", list(&fields));
    Ok(())
}

pub(super) fn delete_of_the_absent(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    done("delete", fields.delete("x-b"))?;
    ensure!(list(&fields) == pairs(&[("x-a", "1")]), "{:?}", list(&fields));
    Ok(())
}

pub(super) fn append_keeps_what_was_there(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    done("append", fields.append("x-a", b"2"))?;
    done("append", fields.append("x-a", b"1"))?;
    ensure!(fields.get("x-a") == [b"1", b"2", b"1"], "{:?}", fields.get("x-a"));
    Ok(())
}

pub(super) fn append_refuses_bad_syntax(_: &Call) -> Outcome {
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

pub(super) fn connections_own_are_forbidden(_: &Call) -> Outcome {
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

pub(super) fn entries_are_every_pair(_: &Call) -> Outcome {
    let given = [("x-c", "1"), ("x-a", "2"), ("x-b", "3"), ("x-b", "4"), ("x-d", "5")];
    let fields = Fields::new();
    for (name, value) in given {
        done("append", fields.append(name, value.as_bytes()))?;
    }
    ensure!(list(&fields) == pairs(&given), "{:?}", list(&fields));
    Ok(())
}

pub(super) fn clone_is_deep(_: &Call) -> Outcome {
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

/// That nobody may change `headers`, not even what is `there`.
pub(crate) fn immutable(headers: &Fields, there: &str) -> Outcome {
    let results = [
        ("set", headers.set("x-a", &[b"1".to_vec()])),
        ("append", headers.append("x-a", b"1")),
        ("delete", headers.delete(there)),
    ];
    for (what, result) in results {
        ensure!(matches!(result, Err(HeaderError::Immutable)), "{what}: {result:?}");
    }
    Ok(())
}
