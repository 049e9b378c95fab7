//! `index.html`: one page that needs nothing else.

use std::fmt::Write;

use super::document::{Block, Document, Table};
use crate::export::plot::svg;

/// The page's style.
const STYLE: &str = include_str!("page.css");

/// Rows from which a table scrolls on a screen.
const LONG: usize = 30;

/// The page.
pub fn page(document: &Document) -> String {
    let mut body = String::new();
    let (mut figures, mut tables) = (0, 0);
    for block in &document.blocks {
        match block {
            Block::Heading(level, text, name) => {
                let (text, name) = (escape(text), escape(name));
                let _ = writeln!(body, "<h{level} id=\"{name}\">{text}</h{level}>");
            }
            Block::Text(text) => {
                let _ = writeln!(body, "<p>{}</p>", escape(text));
            }
            Block::List(lines) => list(&mut body, "list", lines),
            Block::Finding(lines) => {
                body.push_str("<section class=\"finding\" aria-label=\"The finding\">\n");
                for line in lines {
                    let _ = writeln!(body, "<p>{}</p>", bound(line));
                }
                body.push_str("</section>\n");
                // What is found is read first, what the page holds after it.
                contents(&mut body, document);
            }
            Block::Figure(figure) => {
                figures += 1;
                let _ = writeln!(
                    body,
                    "<figure id=\"figure-{stem}\">\n<div class=\"card\" role=\"img\" aria-label=\"{title}\" tabindex=\"0\">\n{svg}\
                     </div>\n<figcaption><b>Figure {figures}.</b> {caption}</figcaption>\n</figure>",
                    stem = escape(&figure.stem),
                    title = escape(&figure.title),
                    svg = figure.svg,
                    caption = escape(&figure.caption)
                );
            }
            Block::Table(rows) => {
                tables += 1;
                table(&mut body, rows, tables);
            }
            Block::Terms(terms) => {
                body.push_str("<dl>\n");
                for (term, meaning) in terms {
                    let (term, meaning) = (escape(term), escape(meaning));
                    let _ = writeln!(body, "<dt><code>{term}</code></dt><dd>{meaning}</dd>");
                }
                body.push_str("</dl>\n");
            }
        }
    }
    let (title, subtitle) = (escape(&document.title), escape(&document.subtitle));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"subtitle\">{subtitle}</p>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Links to every heading.
fn contents(body: &mut String, document: &Document) {
    body.push_str("<nav aria-label=\"Contents\">\n<ul>\n");
    for block in &document.blocks {
        if let Block::Heading(level, text, name) = block {
            let (text, name) = (escape(text), escape(name));
            let _ = writeln!(
                body,
                "<li class=\"l{level}\"><a href=\"#{name}\">{text}</a></li>"
            );
        }
    }
    body.push_str("</ul>\n</nav>\n");
}

fn list(body: &mut String, class: &str, lines: &[String]) {
    let _ = writeln!(body, "<ul class=\"{class}\">");
    for line in lines {
        let _ = writeln!(body, "<li>{}</li>", bound(line));
    }
    body.push_str("</ul>\n");
}

fn table(body: &mut String, table: &Table, number: usize) {
    let (long, rows) = match table.rows.len() {
        n if n > LONG => (" long", format!(" {n} rows.")),
        _ => ("", String::new()),
    };
    let _ = writeln!(
        body,
        "<figure id=\"table-{name}\">\n<figcaption><b>Table {number}.</b> {caption}{rows}</figcaption>\n\
         <div class=\"scroll{long}\" tabindex=\"0\" role=\"region\" aria-label=\"Table {number}\">\n<table>",
        name = escape(&table.name),
        caption = escape(&table.caption)
    );
    let class = |column: usize| {
        if column < table.left {
            " class=\"n\""
        } else {
            ""
        }
    };
    body.push_str("<thead><tr>");
    for (column, head) in table.head.iter().enumerate() {
        let _ = write!(
            body,
            "<th scope=\"col\"{}>{}</th>",
            class(column),
            escape(head)
        );
    }
    body.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        body.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(body, "<td{}>{}</td>", class(column), escape(cell));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</tbody>\n</table>\n</div>\n</figure>\n");
}

/// A sentence whose figures stand on one line with what they are of.
fn bound(text: &str) -> String {
    let mut text = escape(text);
    for sign in [" = ", " &lt; ", " %"] {
        text = text.replace(sign, &sign.replace(' ', "\u{a0}"));
    }
    text
}

/// Names come from anywhere: nothing in them is markup, in an attribute neither.
fn escape(text: &str) -> String {
    svg::escape(text)
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        let document = Document {
            title: "<script>".into(),
            subtitle: "a & b".into(),
            blocks: vec![
                Block::Finding(vec!["a <b> n = 5".into()]),
                Block::Heading(2, "x\" onclick='y'".into(), "\"><i>".into()),
                Block::Table(Table {
                    name: "t".into(),
                    caption: "<i>".into(),
                    head: vec!["<u>".into()],
                    left: 1,
                    rows: vec![vec!["<s>".into()]],
                }),
            ],
        };
        let page = page(&document);
        for tag in ["<script>", "<i>", "<u>", "<s>", "onclick='", "\"><i"] {
            assert!(!page.contains(tag), "{tag}");
        }
        assert!(
            page.contains("<p>a &lt;b&gt; n\u{a0}=\u{a0}5</p>"),
            "{page}"
        );
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b"));
    }
}
