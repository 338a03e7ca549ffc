//! The query of a request, which is how a test tells a behaviour what to do.

/// The `name=value` pairs of a query, percent-decoded. Never fails: what makes no sense is taken
/// literally.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows the first `?` of `target`.
    pub fn parse(target: &str) -> Self {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    /// The value of the first pair of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// Whether there is a pair of this name, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of `name` as a number; `default` where it is missing or none.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}

/// Decodes `%41` and `+`; a `%` without two digits stays as it is.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        decoded.push(match (first, rest) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            (b'+', _) => b' ',
            (byte, _) => *byte,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let query = Query::parse("/path?a=1&b=x%20y+z&flag&url=http://h:1/p%3Fq%3D1&=&c=%zz%");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!(query.get("url"), Some("http://h:1/p?q=1"));
        assert_eq!(query.get("c"), Some("%zz%"));
        assert!(query.has("flag"));
        assert!(!query.has("path"));
    }

    #[test]
    fn numbers_fall_back() {
        let query = Query::parse("/?n=7&m=seven");
        assert_eq!(query.number("n", 1), 7);
        assert_eq!(query.number("m", 1), 1);
        assert_eq!(query.number("k", 1), 1);
        assert_eq!(Query::parse("").number("n", 1), 1);
    }
}
