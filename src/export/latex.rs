//! Tables for LaTeX, ruled by booktabs.
//!
//! A file is put in with `\input`. Its first line names the packages that it needs. Letters that are not
//! Latin need XeLaTeX or LuaLaTeX and a font that has them; Greek ones and the signs of formulas are written as formulas.

use std::fmt::Write;

use super::figures::Figures;
use super::plot::clean;
use super::provenance;
use super::sheet::Sheet;

/// Rows from which a table may break over pages.
const LONG: usize = 45;
/// Columns from which a table is set small and tight, and made smaller where it is wider than the page.
const WIDE: usize = 8;

/// The file.
pub fn latex(sheet: &Sheet, figures: &Figures) -> String {
    let columns = sheet.printed();
    let long = sheet.rows.len() > LONG;
    let preamble: String = columns
        .iter()
        .map(|&c| if sheet.is_text(c) { 'l' } else { 'r' })
        .collect();
    let heads: Vec<String> = columns
        .iter()
        .map(|&c| escape(&sheet.columns[c].head))
        .collect();
    let head = format!("\\toprule\n{} \\\\\n\\midrule\n", heads.join(" & "));
    let mut body = String::new();
    for row in 0..sheet.rows.len() {
        let cells = columns.iter().map(|&c| {
            let text = escape(&sheet.shown(row, c));
            let text = match text.strip_prefix('-') {
                Some(rest) if !sheet.is_text(c) => format!("$-${rest}"),
                _ => text,
            };
            match sheet.is_best(row, c) {
                true => format!("\\textbf{{{text}}}"),
                false => text,
            }
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(body, "{} \\\\", cells.join(" & "));
    }
    let bold = match columns.iter().any(|&c| sheet.columns[c].best) {
        true => " The best of each column is bold.",
        false => "",
    };
    // No line of a page holds the whole hash; the manifest does.
    let hash = &figures.started.recipe_hash;
    let made_from = provenance(figures).replace(hash, &hash.chars().take(12).collect::<String>());
    let caption = format!("{}{bold} {}.", escape(&sheet.caption), escape(&made_from));
    let caption = format!(
        "\\caption{{{caption}}}\n\\label{{{}}}",
        label(sheet, figures)
    );
    let packages = match (long, columns.len() >= WIDE) {
        (true, _) => "booktabs and longtable",
        (false, true) => "booktabs and graphicx",
        (false, false) => "booktabs",
    };
    let size = match columns.len() {
        n if n >= WIDE => "\\footnotesize\n\\setlength{\\tabcolsep}{3pt}\n",
        _ => "\\small\n",
    };
    let tabular =
        format!("\\begin{{tabular}}{{{preamble}}}\n{head}{body}\\bottomrule\n\\end{{tabular}}");
    let tabular = match columns.len() >= WIDE {
        true => shrunk(&tabular),
        false => tabular,
    };
    match long {
        true => format!(
            "% needs {packages}\n\\begingroup\n{size}\\begin{{longtable}}{{{preamble}}}\n{caption} \\\\\n{head}\\endfirsthead\n\
             {head}\\endhead\n\\bottomrule\n\\endlastfoot\n{body}\\end{{longtable}}\n\\endgroup\n"
        ),
        false => format!(
            "% needs {packages}\n\\begin{{table}}\n\\centering\n{size}{caption}\n{tabular}\n\\end{{table}}\n"
        ),
    }
}

/// What may be wider than the page is made smaller where it is, never larger; by graphicx.
pub fn shrunk(tabular: &str) -> String {
    format!(
        "\\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n{tabular}}}"
    )
}

/// A label that no other run's table has.
fn label(sheet: &Sheet, figures: &Figures) -> String {
    let hash: String = figures.started.recipe_hash.chars().take(8).collect();
    let name = sheet.name.replace('_', "-");
    format!("tab:{name}-{hash}-s{}", figures.started.recipe.seed)
}

/// Names come from anywhere: nothing in them is a command.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean(text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("''"),
            // Brackets behind the end of a line would be its argument.
            '[' | ']' | '*' => escaped.extend(['{', c, '}']),
            '−' => escaped.push_str("$-$"),
            '±' => escaped.push_str("$\\pm$"),
            '‖' => escaped.push_str("$\\|$"),
            '→' => escaped.push_str("$\\to$"),
            '₀' => escaped.push_str("$_0$"),
            c => match greek(c) {
                Some(name) => {
                    let _ = write!(escaped, "$\\{name}$");
                }
                None => escaped.push(c),
            },
        }
    }
    escaped
}

/// The command of a Greek letter; none for those that are written as Latin ones are.
fn greek(c: char) -> Option<&'static str> {
    const SMALL: [&str; 25] = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "mathrm{o}",
        "pi",
        "rho",
        "varsigma",
        "sigma",
        "tau",
        "upsilon",
        "varphi",
        "chi",
        "psi",
        "omega",
    ];
    const CAPITAL: [&str; 25] = [
        "mathrm{A}",
        "mathrm{B}",
        "Gamma",
        "Delta",
        "mathrm{E}",
        "mathrm{Z}",
        "mathrm{H}",
        "Theta",
        "mathrm{I}",
        "mathrm{K}",
        "Lambda",
        "mathrm{M}",
        "mathrm{N}",
        "Xi",
        "mathrm{O}",
        "Pi",
        "mathrm{P}",
        "",
        "Sigma",
        "mathrm{T}",
        "Upsilon",
        "Phi",
        "mathrm{X}",
        "Psi",
        "Omega",
    ];
    let at = |first: char| (c as usize).checked_sub(first as usize);
    let letter = |letters: &[&'static str; 25], first| letters.get(at(first)?).copied();
    let found = letter(&SMALL, 'α').or_else(|| letter(&CAPITAL, 'Α'));
    found.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_a_command() {
        assert_eq!(
            escape("a_b & 50% of {x}\\end\u{7}~^<>|\"#$[*]"),
            "a\\_b \\& 50\\% of \\{x\\}\\textbackslash{}end \\textasciitilde{}\\textasciicircum{}\\textless{}\\textgreater{}\
             \\textbar{}''\\#\\${[}{*}{]}"
        );
    }

    #[test]
    fn greek_letters_and_signs_are_formulas() {
        assert_eq!(escape("ρ ‖ΔW‖"), "$\\rho$ $\\|$$\\Delta$W$\\|$");
        assert_eq!(
            escape("ΑΩαως"),
            "$\\mathrm{A}$$\\Omega$$\\alpha$$\\omega$$\\varsigma$"
        );
        assert_eq!(escape("Яאあ"), "Яאあ");
    }
}
