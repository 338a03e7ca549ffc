//! What a part of the run has found: its table, its promises, and its figures for programs.

use std::time::Duration;

use serde_json::Value;

use crate::bench::table::{NO_ANSWER, time};

/// One part of the run.
pub(in crate::bench) struct Section {
    /// What it is called on the command line and in the figures.
    pub(in crate::bench) name: &'static str,
    pub(in crate::bench) title: &'static str,
    pub(in crate::bench) promises: Vec<Promise>,
    pub(in crate::bench) table: Table,
    pub(in crate::bench) json: Value,
}

/// Something that holds or does not.
pub(in crate::bench) struct Promise {
    pub(in crate::bench) text: String,
    pub(in crate::bench) kept: bool,
}

/// A line for every round, and one of medians, in Markdown.
pub(in crate::bench) struct Table {
    columns: usize,
    text: String,
}

impl Section {
    /// Title, table and promises, in Markdown.
    pub(in crate::bench) fn markdown(&self) -> String {
        let verdict = |promise: &Promise| match promise.kept {
            true => format!("- kept: {}\n", promise.text),
            false => format!("- **not kept**: {}\n", promise.text),
        };
        let verdicts: String = self.promises.iter().map(verdict).collect();
        format!("## {}\n{}\n{verdicts}", self.title, self.table.text)
    }
}

impl Table {
    /// A table with these columns, of which the first names the round.
    pub(in crate::bench) fn new(columns: &[&str]) -> Self {
        let rule = "--:|".repeat(columns.len() - 1);
        Self { columns: columns.len(), text: format!("| {} |\n|---|{rule}\n", columns.join(" | ")) }
    }

    /// Adds the line of a round.
    pub(in crate::bench) fn round(&mut self, index: usize, figures: impl IntoIterator<Item = String>) {
        self.line((index + 1).to_string(), figures);
    }

    /// Adds the line of the medians.
    pub(in crate::bench) fn median(&mut self, figures: impl IntoIterator<Item = String>) {
        self.line("median".to_owned(), figures);
    }

    /// Adds a line with a name of its own.
    pub(in crate::bench) fn line(&mut self, name: String, figures: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = [name].into_iter().chain(figures).collect();
        assert_eq!(cells.len(), self.columns, "table: every column has its figure");
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// A time as it is shown, or that there was no answer.
pub(in crate::bench) fn time_or_none(duration: Option<Duration>) -> String {
    duration.map_or_else(|| NO_ANSWER.to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_is_a_table_with_its_promises() {
        let mut table = Table::new(&["round", "time"]);
        table.round(0, [time_or_none(Some(Duration::from_millis(2)))]);
        table.median([time_or_none(None)]);
        let promises = vec![
            Promise { text: "ends".to_owned(), kept: true },
            Promise { text: "soon".to_owned(), kept: false },
        ];
        let section = Section { name: "x", title: "Title", promises, table, json: Value::Null };
        let expected = "## Title\n| round | time |\n|---|--:|\n| 1 | 2.00 ms |\n| median | no answer |\n\n\
                        - kept: ends\n- **not kept**: soon\n";
        assert_eq!(section.markdown(), expected);
    }
}
