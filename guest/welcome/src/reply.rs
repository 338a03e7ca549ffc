//! What a request is answered with: the one place that knows paths, methods and headers.

use crate::accept::prefers_json;
use crate::facts::Facts;
use crate::{json, page};

/// What a method asks for, as far as this handler can tell methods apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET and HEAD.
    Read,
    /// All the rest.
    Other,
}

/// A whole response. The headers are those of GET also where no body will be sent.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(crate) fn reply(verb: Verb, path: &str, accept: &str, facts: &Facts) -> Reply {
    let json = prefers_json(accept);
    match (path, verb) {
        ("/", Verb::Read) if json => Reply::new(200, json, json::render(facts)),
        ("/", Verb::Read) => Reply::new(200, json, page::render(facts)),
        ("/", Verb::Other) => {
            let text = "This page can only be read: GET and HEAD work here.";
            let mut reply = Reply::notice(405, json, "Method not allowed", text);
            reply.headers.push(("allow", "GET, HEAD".to_owned()));
            reply
        }
        _ => {
            let text = "No handler of yours is deployed yet, and the welcome page is all there is.";
            Reply::notice(404, json, "Not found", text)
        }
    }
}

impl Reply {
    fn new(status: u16, json: bool, body: String) -> Self {
        let content_type = match json {
            true => "application/json",
            false => "text/html; charset=utf-8",
        };
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("content-length", body.len().to_string()),
            ("vary", "accept".to_owned()),
            // Instance and limits are those of this very request.
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("content-security-policy", CONTENT_SECURITY_POLICY.to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
        ];
        Self { status, headers, body }
    }

    fn notice(status: u16, json: bool, title: &str, text: &str) -> Self {
        let body = match json {
            true => json::render_error(text),
            false => page::render_notice(title, text),
        };
        Self::new(status, json, body)
    }
}

/// The page is one file without scripts: its own style is all that a browser may use.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(verb: Verb, path: &str, accept: &str) -> Reply {
        reply(verb, path, accept, &Facts::read(|_| None))
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        let (_, value) = reply.headers.iter().find(|(n, _)| *n == name)?;
        Some(value)
    }

    #[test]
    fn root_is_a_page_or_json() {
        let page = ask(Verb::Read, "/", "text/html");
        assert_eq!(page.status, 200);
        assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
        let json = ask(Verb::Read, "/", "application/json");
        assert_eq!(header(&json, "content-type"), Some("application/json"));
    }

    #[test]
    fn content_length_is_that_of_the_body() {
        for path in ["/", "/elsewhere"] {
            let reply = ask(Verb::Read, path, "");
            let length = reply.body.len().to_string();
            assert_eq!(header(&reply, "content-length"), Some(length.as_str()));
        }
    }

    #[test]
    fn other_paths_are_not_found_by_any_method() {
        for verb in [Verb::Read, Verb::Other] {
            assert_eq!(ask(verb, "/favicon.ico", "").status, 404);
        }
    }

    #[test]
    fn other_methods_are_told_what_is_allowed() {
        let reply = ask(Verb::Other, "/", "");
        assert_eq!(reply.status, 405);
        assert_eq!(header(&reply, "allow"), Some("GET, HEAD"));
    }
}
