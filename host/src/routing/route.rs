//! One route: hosts, paths and methods, as a person writes them on one line (`GET,POST
//! api.example/users/{id}`) or with a name for each part.

use super::{HostPattern, Methods, PathPattern};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a handler is served at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Route {
    /// For which hosts.
    pub host: HostPattern,
    /// For which paths.
    pub path: PathPattern,
    /// For which methods.
    pub methods: Methods,
}

/// Why a route cannot be one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum RouteError {
    #[error(
        "the host {0:?} is no name: expected one such as `a.example`, or `*.example` for all below it, without a port"
    )]
    Host(String),
    #[error("the path {path:?} is no pattern: {why}")]
    Path { path: String, why: &'static str },
    #[error("the path is longer than {0} bytes")]
    Long(usize),
    #[error(
        "the method {0:?} is none that a handler is asked for: expected names such as `GET`, in capitals"
    )]
    Method(String),
    #[error("there is no method: leave `methods` out for all of them")]
    NoMethods,
    #[error("there are more than {0} methods")]
    ManyMethods(usize),
    #[error(
        "{0:?} is no route: expected a path, or methods, a host and a path, as in `GET a.example/users/{{id}}`"
    )]
    Route(String),
}

/// A route in either of its two forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Line(String),
    Parts { host: Option<String>, path: Option<String>, methods: Option<Vec<String>> },
}

impl Route {
    /// The route of every request.
    pub fn every() -> Self {
        Self { host: HostPattern::Any, path: PathPattern::every(), methods: Methods::Any }
    }

    /// Makes a route of its parts; what is left out is not asked for.
    ///
    /// # Errors
    /// What is wrong with the first part that cannot be used.
    pub fn new(host: Option<&str>, path: Option<&str>, methods: Option<&[&str]>) -> Result<Self, RouteError> {
        Ok(Self {
            host: host.map_or(Ok(HostPattern::Any), HostPattern::parse)?,
            path: path.map_or(Ok(PathPattern::every()), PathPattern::parse)?,
            methods: methods.map_or(Ok(Methods::Any), |names| Methods::parse(names.iter().copied()))?,
        })
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let (methods, place) = match text.split_once(' ') {
            Some((methods, place)) => (Some(methods.split(',').collect::<Vec<_>>()), place.trim_start()),
            None => (None, text),
        };
        if place.is_empty() || place.contains(' ') {
            return Err(RouteError::Route(text.to_owned()));
        }
        let (host, path) = match place.find('/') {
            _ if place == "*" => (None, None),
            Some(0) => (None, Some(place)),
            Some(slash) => (Some(&place[..slash]), Some(&place[slash..])),
            None => (Some(place), None),
        };
        Self::new(host, path, methods.as_deref())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.methods == Methods::Any { "" } else { " " };
        write!(f, "{}{space}", self.methods)?;
        match (&self.host, self.path.segments.is_some()) {
            (HostPattern::Exactly(_) | HostPattern::Below(_), false) => self.host.fmt(f),
            (HostPattern::Any, false) => f.write_str("*"),
            (HostPattern::Exactly(_) | HostPattern::Below(_) | HostPattern::Any, true) => {
                write!(f, "{}{}", self.host, self.path)
            }
        }
    }
}

impl From<Route> for String {
    fn from(route: Route) -> Self {
        route.to_string()
    }
}

impl TryFrom<Written> for Route {
    type Error = RouteError;

    fn try_from(written: Written) -> Result<Self, RouteError> {
        match written {
            Written::Line(line) => line.parse(),
            Written::Parts { host, path, methods } => {
                let methods =
                    methods.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
                Self::new(host.as_deref(), path.as_deref(), methods.as_deref())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_read_and_written_alike() {
        for line in [
            "/",
            "*",
            "a.example",
            "*.a.example",
            "a.example/x/{id}",
            "GET /x",
            "GET,POST *.a.example/x",
            "PURGE *",
            "[::1]/x",
        ] {
            assert_eq!(line.parse::<Route>().map(|route| route.to_string()), Ok(line.to_owned()));
        }
        for line in ["", " ", "GET ", "get /x", "GET,, /x", "CONNECT /x", "a.example:80/x", "/a /b", "x y z"]
        {
            assert!(line.parse::<Route>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn parts_and_line_are_the_same_route() {
        let parts: Route =
            serde_json::from_str(r#"{"host":"A.example","path":"/x/{id}","methods":["POST","GET","GET"]}"#)
                .expect("a route");
        assert_eq!(Ok(&parts), "GET,POST a.example/x/{id}".parse().as_ref());
        assert_eq!(serde_json::to_string(&parts).expect("a string"), r#""GET,POST a.example/x/{id}""#);
        assert!(serde_json::from_str::<Route>(r#"{"path":"x"}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_line_panics_and_what_is_read_is_written_back(line in "\\PC{0,40}") {
            if let Ok(route) = line.parse::<Route>() {
                prop_assert_eq!(route.to_string().parse::<Route>(), Ok(route));
            }
        }
    }
}
