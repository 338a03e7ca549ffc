//! The facts as a page, for people. Markup and style are in `page.html` and `notice.html`.

use crate::facts::Facts;

const PAGE: &str = include_str!("page.html");
const NOTICE: &str = include_str!("notice.html");

/// The page at `/`.
pub(crate) fn render(facts: &Facts) -> String {
    let rows: String = facts
        .iter()
        .filter(|fact| !matches!(fact.key, "version" | "instance"))
        .map(|fact| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(fact.label), escape(&fact.value)))
        .collect();
    fill(PAGE, |name| match name {
        "rows" => rows.clone(),
        key => escape(facts.value(key)),
    })
}

/// The short page of an error.
pub(crate) fn render_notice(title: &str, text: &str) -> String {
    fill(NOTICE, |name| match name {
        "title" => escape(title),
        _ => escape(text),
    })
}

/// `template` with every `{{name}}` replaced by `value(name)`. What comes from a value is never
/// looked at again, so a value cannot smuggle in a placeholder.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("template: every {{ has its }}");
        filled.push_str(before);
        filled.push_str(&value(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// `text` as it may stand between tags and inside quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let page = render(&Facts::read(|_| Some("<b title=\"'&\">".to_owned())));
        assert!(!page.contains("<b "));
        assert!(page.contains("&lt;b title=&quot;&#39;&amp;&quot;&gt;"));
    }

    #[test]
    fn values_are_not_templates() {
        let page = render(&Facts::read(|_| Some("{{rows}}".to_owned())));
        assert!(page.contains("<dd>{{rows}}</dd>"));
    }

    #[test]
    fn every_fact_is_on_the_page() {
        let page = render(&Facts::read(|name| Some(name.to_owned())));
        for name in ["VERSION", "INSTANCE", "THREADS", "MEMORY", "MAX_BODY"] {
            assert!(page.contains(&format!("WASM_HOST_{name}")), "{name}");
        }
        assert!(!page.contains("{{"));
    }
}
