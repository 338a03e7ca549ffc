//! What there is to ask for on the admin side: one table, which requests are led by and which the OpenAPI
//! document is written from.

use super::refusal::Refusal;
use crate::outcome::Reason;
use http::Method;
use http::header::{ALLOW, HeaderValue};

/// What somebody can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    Health,
    Ready,
    OpenApi,
    Jobs,
    KillJob,
    Metrics,
    Drain,
    Handlers,
    Handler,
    Deploy,
    Remove,
    Versions,
    Rollback,
    Canary,
    EndCanary,
    Promote,
    Pause,
    Resume,
    Logs,
}

/// One thing to ask for: by which method, at which path.
pub(super) struct Route {
    pub(super) method: Method,
    /// With one parameter at most, in braces.
    pub(super) path: &'static str,
    pub(super) operation: Operation,
}

/// Everything there is.
pub(super) const ROUTES: &[Route] = &[
    route(Method::GET, "/health", Operation::Health),
    route(Method::GET, "/ready", Operation::Ready),
    route(Method::GET, "/openapi.json", Operation::OpenApi),
    route(Method::GET, "/admin/jobs", Operation::Jobs),
    route(Method::DELETE, "/admin/jobs/{id}", Operation::KillJob),
    route(Method::GET, "/admin/metrics", Operation::Metrics),
    route(Method::POST, "/admin/drain", Operation::Drain),
    route(Method::GET, "/admin/handlers", Operation::Handlers),
    route(Method::GET, "/admin/handlers/{name}", Operation::Handler),
    route(Method::PUT, "/admin/handlers/{name}", Operation::Deploy),
    route(Method::DELETE, "/admin/handlers/{name}", Operation::Remove),
    route(Method::GET, "/admin/handlers/{name}/versions", Operation::Versions),
    route(Method::POST, "/admin/handlers/{name}/rollback", Operation::Rollback),
    route(Method::POST, "/admin/handlers/{name}/canary", Operation::Canary),
    route(Method::DELETE, "/admin/handlers/{name}/canary", Operation::EndCanary),
    route(Method::POST, "/admin/handlers/{name}/promote", Operation::Promote),
    route(Method::POST, "/admin/handlers/{name}/pause", Operation::Pause),
    route(Method::POST, "/admin/handlers/{name}/resume", Operation::Resume),
    route(Method::GET, "/admin/handlers/{name}/logs", Operation::Logs),
];

const fn route(method: Method, path: &'static str, operation: Operation) -> Route {
    Route { method, path, operation }
}

impl Operation {
    /// Whether everybody may ask: it tells nothing, and changes nothing.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Health | Self::Ready | Self::OpenApi)
    }

    /// What an audit line calls it; none for what changes nothing.
    pub(super) const fn action(self) -> Option<&'static str> {
        match self {
            Self::KillJob => Some("kill"),
            Self::Drain => Some("drain"),
            Self::Deploy => Some("deploy"),
            Self::Remove => Some("remove"),
            Self::Rollback => Some("rollback"),
            Self::Canary => Some("canary"),
            Self::EndCanary => Some("end_canary"),
            Self::Promote => Some("promote"),
            Self::Pause => Some("pause"),
            Self::Resume => Some("resume"),
            Self::Health
            | Self::Ready
            | Self::OpenApi
            | Self::Jobs
            | Self::Metrics
            | Self::Handlers
            | Self::Handler
            | Self::Versions
            | Self::Logs => None,
        }
    }
}

/// Finds what is asked for, and the parameter in the path.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Result<(Operation, &'a str), Refusal> {
    let mut allowed: Vec<&str> = Vec::new();
    for route in ROUTES {
        let Some(parameter) = fits(route.path, path) else { continue };
        let head = route.method == Method::GET && *method == Method::HEAD;
        if route.method == *method || head {
            return Ok((route.operation, parameter));
        }
        allowed.push(route.method.as_str());
        if route.method == Method::GET {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() {
        return Err(Reason::NotFound.into());
    }
    let allowed = HeaderValue::from_str(&allowed.join(", ")).ok();
    Err(Refusal::with(Reason::MethodNotAllowed, allowed.map(|allowed| (ALLOW, allowed))))
}

/// What stands in the place of the parameter, if the path is of this form.
fn fits<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == path).then_some("");
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let parameter = path.strip_prefix(before)?.strip_suffix(after)?;
    (!parameter.contains('/')).then_some(parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        for (method, path, expected) in [
            ("GET", "/admin/handlers", Some((Operation::Handlers, ""))),
            ("HEAD", "/admin/handlers/a", Some((Operation::Handler, "a"))),
            ("PUT", "/admin/handlers/a", Some((Operation::Deploy, "a"))),
            ("PUT", "/admin/handlers/", Some((Operation::Deploy, ""))),
            ("GET", "/admin/handlers/a/versions", Some((Operation::Versions, "a"))),
            ("POST", "/admin/handlers/a/versions", None),
            ("GET", "/admin/handlers/a/b/versions", None),
            ("GET", "/admin/handlers/a/b", None),
            ("GET", "/admin", None),
            ("HEAD", "/admin/drain", None),
        ] {
            let method: Method = method.parse().expect("a method");
            assert_eq!(find(&method, path).ok(), expected, "{method} {path}");
        }
    }

    #[test]
    fn other_methods_are_told_what_there_is() {
        let refusal = find(&Method::PATCH, "/admin/handlers/a").expect_err("no such method");
        let (name, value) = refusal.field.expect("a field");
        assert_eq!((name, value.as_bytes()), (ALLOW, &b"GET, HEAD, PUT, DELETE"[..]));
    }
}
