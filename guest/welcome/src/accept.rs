//! Which of our two forms a client would rather have (RFC 9110 §12.5.1).

/// Whether JSON is asked for by name, and HTML is not wanted as much or more.
///
/// Browsers name `text/html`; programs name `application/json` or send wildcards. A wildcard names
/// nothing, so it gets the page.
pub(crate) fn prefers_json(accept: &str) -> bool {
    weight_of("application/json", accept) > weight_of("text/html", accept)
}

/// The weight, in thousandths, that `accept` gives to exactly this type: 0 where it is refused or not
/// named.
fn weight_of(media_type: &str, accept: &str) -> u16 {
    accept
        .split(',')
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next()?.eq_ignore_ascii_case(media_type);
            named.then(|| weight(parts))
        })
        .max()
        .unwrap_or(0)
}

/// The `q` among the parameters of a media range; 1 where there is none, 0 where it makes no sense.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    parameters
        .find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(value)
        })
        .map_or(1000, |q| thousandths(q.trim()))
}

/// A `qvalue`: `0.75` is 750. (Parsing it as a float would cost 20 KB of code.)
fn thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    match whole {
        "1" => 1000,
        "0" => format!("{fraction:0<3.3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qvalues_are_thousandths() {
        for (q, expected) in [("1", 1000), ("1.000", 1000), ("0.75", 750), ("0.5", 500)] {
            assert_eq!(thousandths(q), expected, "q={q}");
        }
        for q in ["0", "0.", "0.000", "", "2", "-1", "0.x", "nonsense"] {
            assert_eq!(thousandths(q), 0, "q={q}");
        }
    }

    #[test]
    fn json_is_for_those_who_name_it() {
        for (accept, json) in [
            ("", false),
            ("*/*", false),
            ("application/json", true),
            ("Application/JSON;charset=utf-8", true),
            ("application/json, text/plain, */*", true),
            ("application/json; q=0", false),
            ("application/json;q=nonsense", false),
            ("text/html, application/json;q=0.9", false),
            ("text/html;q=0.5,application/json;q=0.9", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
        ] {
            assert_eq!(prefers_json(accept), json, "accept: {accept:?}");
        }
    }
}
