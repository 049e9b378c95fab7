//! `report.md`.

use std::fmt::Write;

use super::document::{Block, Document};
use crate::export::summary::{escape, table};

/// The file; with `pictures` its figures are linked from `figures/`.
pub fn markdown(document: &Document, pictures: bool) -> String {
    let mut text = format!(
        "# {}\n\n{}\n",
        escape(&document.title),
        escape(&document.subtitle)
    );
    let (mut figures, mut tables) = (0, 0);
    for block in &document.blocks {
        text.push('\n');
        match block {
            Block::Heading(level, heading, _) => {
                let _ = writeln!(text, "{} {}", "#".repeat((*level).into()), escape(heading));
            }
            Block::Text(paragraph) => {
                let _ = writeln!(text, "{}", escape(paragraph));
            }
            Block::List(lines) => {
                for line in lines {
                    let _ = writeln!(text, "- {}", escape(line));
                }
            }
            Block::Finding(lines) => {
                let quoted: Vec<String> =
                    lines.iter().map(|l| format!("> {}\n", escape(l))).collect();
                text.push_str(&quoted.join(">\n"));
            }
            Block::Figure(figure) => {
                figures += 1;
                if pictures {
                    let _ = writeln!(
                        text,
                        "![{}](figures/{}.svg)\n",
                        escape(&figure.title),
                        figure.stem
                    );
                }
                let _ = writeln!(text, "Figure {figures}. {}", escape(&figure.caption));
            }
            Block::Table(rows) => {
                tables += 1;
                let escaped = |cells: &Vec<String>| -> Vec<String> {
                    cells.iter().map(|c| escape(c)).collect()
                };
                let lines: Vec<Vec<String>> = rows.rows.iter().map(escaped).collect();
                let _ = writeln!(text, "Table {tables}. {}\n", escape(&rows.caption));
                text.push_str(&table(&escaped(&rows.head), &lines, rows.left));
            }
            Block::Terms(terms) => {
                for (term, meaning) in terms {
                    // Of a name in backquotes nothing is markup.
                    let _ = writeln!(text, "- `{}`: {}", term.replace('`', "'"), escape(meaning));
                }
            }
        }
    }
    text
}
