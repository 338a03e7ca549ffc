//! What a person can get wrong in the settings: where it is, what is wrong with it and how to mend
//! it. Mistakes are values, so that all of them are reported together.

use std::fmt;
use std::path::PathBuf;

/// Why one value was turned down, said without knowing where it was written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Refusal {
    /// What would have been accepted: `expected …`, with the range.
    pub expected: String,
    /// A value close to the refused one that would be accepted.
    pub example: Option<String>,
}

impl Refusal {
    /// Says what would have been accepted.
    pub(super) fn expected(what: impl fmt::Display) -> Self {
        Self { expected: format!("expected {what}"), example: None }
    }

    /// Names one more word that would have been accepted.
    pub(super) fn or_word(mut self, word: &str) -> Self {
        self.expected = format!("{}, or `{word}`", self.expected);
        self
    }

    /// Offers a value that would be accepted.
    pub(super) fn or_rather(mut self, example: impl fmt::Display) -> Self {
        self.example = Some(example.to_string());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.example {
            Some(example) => write!(formatter, "{}, for example `{example}`", self.expected),
            None => formatter.write_str(&self.expected),
        }
    }
}

/// Where a mistake was made. The order is the order of the report.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// In a flag of the command line.
    Flag,
    /// In an environment variable.
    Environment,
    /// In the settings file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
    },
    /// In a file or directory that cannot be used at all.
    Path(PathBuf),
    /// Nowhere: something is missing that the other settings need.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("command line"),
            Self::Environment => formatter.write_str("environment"),
            Self::File { path, line, column } => write!(formatter, "{}:{line}:{column}", path.display()),
            Self::Nowhere => formatter.write_str("settings"),
            Self::Path(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// One mistake in the settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{origin}: {what}\n  fix: {fix}")]
pub struct Mistake {
    /// Where it was made.
    pub origin: Origin,
    /// What is wrong, and what was expected.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Every mistake of one start, in the order of their origins; never empty.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Nothing if there are no mistakes, else all of them in order.
    pub(super) fn among(mut mistakes: Vec<Mistake>) -> Result<(), Self> {
        mistakes.sort_by(|one, other| one.origin.cmp(&other.origin));
        if mistakes.is_empty() { Ok(()) } else { Err(Self(mistakes)) }
    }

    /// Whether the command line alone is at fault.
    pub fn only_in_flags(&self) -> bool {
        self.0.iter().all(|mistake| mistake.origin == Origin::Flag)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.0.iter().map(Mistake::to_string).collect();
        formatter.write_str(&blocks.join("\n"))?;
        match blocks.len() {
            1 => Ok(()),
            count => write!(formatter, "\n{count} mistakes, nothing was started"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(origin: Origin) -> Mistake {
        Mistake {
            origin,
            what: "`instances` is 0: expected a whole number from 1 to 100000".into(),
            fix: "write `instances = 1000`".into(),
        }
    }

    fn in_file(line: usize) -> Mistake {
        mistake(Origin::File { path: "wasm-host.toml".into(), line, column: 13 })
    }

    #[test]
    fn one_mistake_is_a_block_of_its_own() {
        let report = Mistakes::among(vec![in_file(3)]).unwrap_err().to_string();
        assert_eq!(
            report,
            "wasm-host.toml:3:13: `instances` is 0: expected a whole number from 1 to 100000\n  \
             fix: write `instances = 1000`"
        );
    }

    #[test]
    fn several_mistakes_are_ordered_and_counted() {
        let found = vec![in_file(30), mistake(Origin::Flag), in_file(4)];
        let report = Mistakes::among(found).unwrap_err().to_string();
        let starts: Vec<&str> = report.lines().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(
            starts,
            [
                "command line",
                "  fix",
                "wasm-host.toml:4:13",
                "  fix",
                "wasm-host.toml:30:13",
                "  fix",
                "3 mistakes, nothing was started"
            ]
        );
    }

    #[test]
    fn no_mistake_is_no_report() {
        assert_eq!(Mistakes::among(Vec::new()), Ok(()));
    }
}
