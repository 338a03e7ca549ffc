//! How a registry says that it wants to know who asks: `WWW-Authenticate` (RFC 9110 §11.6.1).

/// Schemes of one field that are looked at.
const CHALLENGES_MAX: usize = 8;

/// What is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Challenge {
    /// A user name and a password.
    Basic,
    /// A token that is had elsewhere.
    /// <https://distribution.github.io/distribution/spec/auth/token/>
    Bearer {
        /// Where.
        realm: String,
        /// For which service, in the words of the registry.
        service: Option<String>,
        /// For which right.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge of these fields that can be met: a token before a password, since it is worth less.
    pub(super) fn among<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for field in fields {
            for (scheme, parameters) in schemes(field).into_iter().take(CHALLENGES_MAX) {
                let get = |name: &str| {
                    let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone())
                };
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                } else if let (true, Some(realm)) = (scheme.eq_ignore_ascii_case("bearer"), get("realm")) {
                    return Some(Self::Bearer { realm, service: get("service"), scope: get("scope") });
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// The schemes of a field with their parameters. A word that no `=` follows begins a scheme.
fn schemes(field: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        match after.trim_start().strip_prefix('=') {
            Some(after) => {
                let (value, after) = value(after.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            None => {
                found.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what comes after it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        for (fields, expected) in [
            (
                &[r#"Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push""#][..],
                bearer("https://a/token", Some("s"), Some("repository:a/b:pull,push")),
            ),
            (
                &[r#"bearer Realm="https://a/t", error="insufficient_scope""#],
                bearer("https://a/t", None, None),
            ),
            (&["Bearer realm=https://a/t,service=s"], bearer("https://a/t", Some("s"), None)),
            (&[r#"Basic realm="Registry Realm""#], Some(Challenge::Basic)),
            (&[r#"Basic realm="x", Bearer realm="y""#], bearer("y", None, None)),
            (&[r#"Basic realm="x""#, r#"Bearer realm="y""#], bearer("y", None, None)),
            (&[r#"Bearer realm="a\"b""#], bearer("a\"b", None, None)),
            (&["Bearer service=\"s\""], None),
            (&["Negotiate"], None),
            (&[], None),
        ] {
            assert_eq!(Challenge::among(fields.iter().copied()), expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn no_field_panics(field in "\\PC*") {
            let _ = Challenge::among(std::iter::once(field.as_str()));
        }

        #[test]
        fn no_near_field_panics(field in "(Bearer|Basic|realm|=|\"|\\\\|,| |x){0,20}") {
            let _ = Challenge::among(std::iter::once(field.as_str()));
        }
    }
}
