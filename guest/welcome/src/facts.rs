//! What the host tells this handler, and no other, about itself.
//!
//! The values come formatted for people. A host that leaves one out is older or newer than this
//! component: the page then says "unknown" and stays up.

/// One fact: the variable the host sets, its key in the JSON form, its label on the page.
struct Kind {
    variable: &'static str,
    key: &'static str,
    label: &'static str,
}

/// In the order in which they are shown.
const KINDS: [Kind; 9] = [
    Kind { variable: "WASM_HOST_VERSION", key: "version", label: "Version" },
    Kind { variable: "WASM_HOST_INSTANCE", key: "instance", label: "This instance" },
    Kind { variable: "WASM_HOST_INSTANCES", key: "instances", label: "Instances at a time" },
    Kind { variable: "WASM_HOST_THREADS", key: "threads", label: "Executor threads" },
    Kind { variable: "WASM_HOST_TIMEOUT", key: "timeout", label: "Time per request" },
    Kind { variable: "WASM_HOST_CPU_TIME", key: "cpu_time", label: "CPU time per request" },
    Kind { variable: "WASM_HOST_MEMORY", key: "memory", label: "Memory per instance" },
    Kind { variable: "WASM_HOST_CONCURRENCY", key: "concurrency", label: "Requests at a time" },
    Kind { variable: "WASM_HOST_MAX_BODY", key: "max_body", label: "Largest request body" },
];

/// One fact with its value.
pub(crate) struct Fact {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    /// As the host formatted it. Not escaped.
    pub(crate) value: String,
}

/// All that is known about the host, in the order in which it is shown.
pub(crate) struct Facts(Vec<Fact>);

impl Facts {
    /// Reads every fact through `variable`, which looks up one environment variable.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let fact = |kind: &Kind| Fact {
            key: kind.key,
            label: kind.label,
            value: variable(kind.variable).unwrap_or_else(|| "unknown".to_owned()),
        };
        Self(KINDS.iter().map(fact).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter()
    }

    /// The value of the fact with this key, or nothing where there is no such fact.
    pub(crate) fn value(&self, key: &str) -> &str {
        self.iter().find(|fact| fact.key == key).map_or("", |fact| &fact.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_variable_is_unknown() {
        let facts = Facts::read(|name| (name == "WASM_HOST_VERSION").then(|| "1.2.3".to_owned()));
        assert_eq!(facts.value("version"), "1.2.3");
        assert_eq!(facts.value("memory"), "unknown");
        assert_eq!(facts.iter().count(), KINDS.len());
    }
}
