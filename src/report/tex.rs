//! `report.tex`: the tables, ruled by booktabs, to be put in by `\input`.

use super::document::{Document, Table};
use crate::export::latex::{escape, shrunk};

/// Rows that a page holds.
const PAGE: usize = 40;
/// Columns from which a table is set small and tight.
const WIDE: usize = 6;

/// The file.
pub fn tables(document: &Document) -> String {
    let mut text = format!(
        "% {}\n% needs booktabs and graphicx; letters that are not Latin need XeLaTeX or LuaLaTeX\n",
        escape(&document.subtitle)
    );
    for table in document.tables() {
        let parts = table.rows.chunks(PAGE).collect::<Vec<_>>();
        for (number, rows) in parts.iter().enumerate() {
            text.push('\n');
            text.push_str(&part(table, rows, number));
        }
    }
    text
}

fn part(table: &Table, rows: &[Vec<String>], number: usize) -> String {
    let columns: String = (0..table.head.len())
        .map(|column| if column < table.left { 'l' } else { 'r' })
        .collect();
    let line = |cells: &[String]| -> String {
        let cells: Vec<String> = cells.iter().map(|c| escape(c)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let (continued, label) = match number {
        0 => ("", format!("tab:{}", table.name)),
        _ => (" (continued)", format!("tab:{}-{}", table.name, number + 1)),
    };
    let size = match table.head.len() {
        n if n >= WIDE => "\\footnotesize\n\\setlength{\\tabcolsep}{3pt}\n",
        _ => "\\small\n",
    };
    let body: String = rows.iter().map(|row| line(row)).collect();
    let tabular = format!(
        "\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}",
        heads(&table.head)
    );
    let tabular = shrunk(&tabular);
    format!(
        "\\begin{{table}}\n\\centering\n{size}\\caption{{{}{continued}}}\n\\label{{{label}}}\n{tabular}\n\\end{{table}}\n",
        escape(&table.caption)
    )
}

/// The heads of columns, long ones a word a line.
fn heads(head: &[String]) -> String {
    let stacked = |text: &String| match text.len() > 12 && text.contains(' ') {
        true => {
            let words: Vec<String> = text.split(' ').map(escape).collect();
            format!("\\shortstack{{{}}}", words.join("\\\\"))
        }
        false => escape(text),
    };
    let cells: Vec<String> = head.iter().map(stacked).collect();
    format!("{} \\\\\n", cells.join(" & "))
}

#[cfg(test)]
mod tests {
    use super::super::document::Block;
    use super::*;

    #[test]
    fn long_tables_are_parted_and_nothing_in_them_is_a_command() {
        let table = Table {
            name: "t".into(),
            caption: "100 % of $x".into(),
            head: vec!["a_b".into(), "long head (points)".into()],
            left: 1,
            rows: vec![vec!["x & y".into(), "1.0 ± 0.2".into()]; PAGE + 1],
        };
        let document = Document {
            title: String::new(),
            subtitle: "50 %".into(),
            blocks: vec![Block::Table(table)],
        };
        let text = tables(&document);
        assert_eq!(text.matches("\\begin{tabular}{lr}").count(), 2);
        assert_eq!(
            text.matches("x \\& y & 1.0 $\\pm$ 0.2 \\\\\n").count(),
            PAGE + 1
        );
        assert!(text.contains("\\label{tab:t-2}") && text.contains("100 \\% of \\$x (continued)"));
        assert!(text.contains("a\\_b & \\shortstack{long\\\\head\\\\(points)} \\\\\n"));
    }
}
