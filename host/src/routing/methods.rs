//! Methods that a route is for.

use super::RouteError;
use http::Method;
use std::fmt;

/// Methods of one route at most; there are about forty registered ones.
const METHODS_MAX: usize = 32;
/// Bytes of a method at most; the longest registered one has 17.
const METHOD_BYTES_MAX: usize = 64;

/// The methods that a route is for, in their order and each once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Methods {
    /// Every method.
    Any,
    /// These.
    Of(Vec<Method>),
}

impl Methods {
    /// Reads names of methods, of which there is at least one.
    pub(super) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, RouteError> {
        let mut methods: Vec<Method> = Vec::new();
        for name in names {
            let method = Method::from_bytes(name.as_bytes())
                .ok()
                // Methods are told apart by case (RFC 9110 §9.1), and none in use has small letters.
                .filter(|_| name.len() <= METHOD_BYTES_MAX && !name.bytes().any(|b| b.is_ascii_lowercase()))
                .filter(|method| *method != Method::CONNECT);
            let method = method.ok_or_else(|| RouteError::Method(name.to_owned()))?;
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        if methods.is_empty() {
            return Err(RouteError::NoMethods);
        }
        if methods.len() > METHODS_MAX {
            return Err(RouteError::ManyMethods(METHODS_MAX));
        }
        methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        Ok(Self::Of(methods))
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Of(methods) => {
                let names: Vec<_> = methods.iter().map(Method::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}
