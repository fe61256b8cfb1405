//! The page as HTML: tables that stand without JavaScript, and the flame graph's data for its script.

use std::fmt::{self, Display, Write};

use super::super::heap::share;
use super::findings::{Findings, Frame};
use crate::units::{Bytes, Count, Size};

/// Text in HTML, in attributes too.
struct Html<T>(T);

impl<T: Display> Display for Html<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        for c in text.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What turns the direction of the text, or cannot be seen.
                c if c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(f, "<i>{}</i>", c.escape_unicode())?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A sentence in which no line ends between a number and its unit.
fn together(sentence: &str) -> String {
    let units = [" bytes", " KiB", " MiB", " GiB", " TiB"];
    units.iter().fold(sentence.to_owned(), |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")))
}

/// A cell with a number, which is what the column is sorted by.
fn number(page: &mut String, value: impl Display, shown: impl Display) {
    let _ = write!(page, "<td class=n data-v=\"{value}\">{shown}</td>");
}

fn bytes(page: &mut String, value: u64) {
    number(page, value, Size(value));
}

/// A cell with the part of a whole, and a bar.
fn part(page: &mut String, value: u64, whole: u64) {
    let share = share(value, whole);
    let _ = write!(
        page,
        "<td class=n data-v=\"{value}\"><span class=bar style=\"--w:{share}\"></span>{share}</td>"
    );
}

fn head(page: &mut String, columns: &[(&str, bool)]) {
    page.push_str("<table><thead><tr>");
    for (name, is_number) in columns {
        let class = if *is_number { " class=n" } else { "" };
        let _ = write!(page, "<th scope=col{class}>{name}</th>");
    }
    page.push_str("</tr></thead><tbody>");
}

fn end(page: &mut String) {
    page.push_str("</tbody></table>");
}

fn section(page: &mut String, id: &str, title: &str, what: &str) {
    let _ = write!(page, "<section id={id}><h2>{title}</h2><p class=what>{what}</p>");
}

/// The whole page.
pub fn page(name: &str, base: Option<&str>, findings: &Findings) -> String {
    let mut page = String::new();
    let title = Html(name.rsplit('/').next().unwrap_or(name));
    let _ = write!(
        page,
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta name=color-scheme content=\"light dark\"><title>{title} — heap</title><style>{}</style></head><body>\
         <header><h1>{title}</h1><p class=verdict>{}</p>",
        include_str!("page.css"),
        Html(together(&findings.verdict))
    );
    for caveat in &findings.caveats {
        let _ = write!(page, "<p class=caveat>{}</p>", Html(caveat));
    }
    facts(&mut page, base, findings);
    navigation(&mut page, findings);
    page.push_str("</header><main>");
    suspects(&mut page, findings);
    growth(&mut page, findings);
    flame(&mut page, findings);
    types(&mut page, findings);
    roots(&mut page, findings);
    waste(&mut page, findings);
    samples(&mut page, findings);
    let _ = write!(page, "</main><script>{}</script></body></html>", include_str!("page.js"));
    page
}

fn navigation(page: &mut String, findings: &Findings) {
    page.push_str("<nav>");
    let sections = [
        ("suspects", "Where memory is", true),
        ("growth", "What grew", findings.compared),
        ("flame", "Flame graph", true),
        ("types", "Types", true),
        ("roots", "Roots", true),
        ("waste", "Waste", !findings.waste.is_empty()),
        ("samples", "Samples", !findings.samples.is_empty()),
    ];
    for (id, title, _) in sections.iter().filter(|section| section.2) {
        let _ = write!(page, "<a href=\"#{id}\">{title}</a>");
    }
    page.push_str("</nav>");
}

fn facts(page: &mut String, base: Option<&str>, findings: &Findings) {
    let _ = write!(page, "<p class=facts>{}", Html(&findings.machine));
    if let Some(base) = base {
        let _ = write!(page, " · compared with {}", Html(base));
    }
    for line in findings.basis.lines() {
        let _ = write!(page, "<br>{}", Html(line));
    }
    page.push_str("</p>");
}

fn suspects(page: &mut String, findings: &Findings) {
    section(
        page,
        "suspects",
        "Where memory is",
        "Places that retain more than a tenth of the heap, followed down to where it piles up. What a place <em>retains</em> \
         would be freed if nothing pointed to it any more.",
    );
    if findings.suspects.is_empty() {
        page.push_str("<p>Nothing retains that much by itself.</p>");
    }
    page.push_str("<ol class=cards>");
    for suspect in &findings.suspects {
        let _ = write!(
            page,
            "<li><b>{}</b> <span class=share>{}</span><code>{}</code><span>{} × <code>{}</code></span></li>",
            Size(suspect.retained),
            share(suspect.retained, findings.whole),
            Html(&suspect.expression),
            Count(suspect.count),
            Html(&suspect.name)
        );
    }
    page.push_str("</ol></section>");
}

fn growth(page: &mut String, findings: &Findings) {
    if !findings.compared {
        return;
    }
    section(
        page,
        "growth",
        "What grew",
        "Since the earlier dump. Objects do not move in Go: one that survived has the same address, size and type.",
    );
    page.push_str("<ol class=cards>");
    for place in &findings.growth {
        let _ = write!(
            page,
            "<li class=grew><b>+{}</b><code>{}</code><span>{} more <code>{}</code></span></li>",
            Size(place.growth),
            Html(&place.expression),
            Count(place.more),
            Html(&place.name)
        );
    }
    page.push_str("</ol>");
    head(
        page,
        &[
            ("Growth", true),
            ("Bytes now", true),
            ("New", true),
            ("Gone", true),
            ("Survived", true),
            ("Type", false),
        ],
    );
    for change in &findings.changes {
        page.push_str("<tr>");
        let sign = if change.growth < 0 {
            "−"
        } else if change.growth > 0 {
            "+"
        } else {
            ""
        };
        let size = Size(u64::try_from(change.growth.unsigned_abs()).unwrap_or(u64::MAX));
        number(page, change.growth, format_args!("{sign}{size}"));
        bytes(page, change.now);
        number(page, change.added, Count(change.added));
        number(page, change.gone, Count(change.gone));
        number(page, change.survived, Count(change.survived));
        let _ = write!(page, "<td><code>{}</code></td></tr>", Html(&change.name));
    }
    end(page);
    page.push_str("</section>");
}

/// The flame graph: its frames as data, and as lists for those without its script.
fn flame(page: &mut String, findings: &Findings) {
    let colour = if findings.compared { " Red has grown, blue has shrunk." } else { "" };
    section(
        page,
        "flame",
        "Flame graph",
        &format!(
            "What retains what: a frame is as wide as what it retains, and is held by the frame above it. Objects of one type \
             that the same holds are one frame.{colour}"
        ),
    );
    page.push_str(
        "<div class=tools hidden><label>Search <input type=search id=search placeholder=\"type or variable\"></label>\
         <button type=button id=reset>All</button><span class=faint>Click or press Enter to zoom in, Escape to zoom out</span>\
         <span id=found role=status></span></div>\
         <div id=graph hidden></div><p id=detail hidden></p>",
    );
    let _ = write!(page, "<script type=\"application/json\" id=frames>{}</script>", json(findings));
    page.push_str("<details id=list open><summary>As a list</summary>");
    list(page, findings);
    page.push_str("</details></section>");
}

/// The frames: names, and for each its parent, name, count, sizes and growth.
fn json(findings: &Findings) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut numbers = std::collections::HashMap::new();
    let mut frames = Vec::with_capacity(findings.frames.len());
    for frame in &findings.frames {
        let number = *numbers.entry(&frame.name[..]).or_insert_with(|| {
            names.push(&frame.name);
            names.len() - 1
        });
        // JavaScript's numbers are exact up to 2^53, which no heap's size is above.
        let growth = frame.growth.clamp(-(1 << 53), 1 << 53) as i64;
        let Frame { parent, count, shallow, retained, .. } = *frame;
        frames.push((parent, number, count, shallow, retained, growth));
    }
    let compared = findings.compared;
    let value = serde_json::json!({ "names": names, "frames": frames, "compared": compared });
    // So that no name ends the script.
    value.to_string().replace('<', "\\u003c")
}

/// The heaviest frames as nested lists.
fn list(page: &mut String, findings: &Findings) {
    const LONGEST: usize = 150;
    let frames = &findings.frames;
    let mut heaviest: Vec<usize> = (0..frames.len()).collect();
    heaviest.sort_by_key(|&at| (std::cmp::Reverse(frames[at].retained), at));
    heaviest.truncate(LONGEST);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
    for &at in heaviest.iter().filter(|&&at| at > 0) {
        children[frames[at].parent].push(at);
    }
    // Frames that are open, with what is left of their children: lists may be as deep as the heap is.
    page.push_str("<ul class=tree>");
    item(page, &frames[0], findings.whole);
    let mut open = vec![(0, 0)];
    while let Some((at, next)) = open.last_mut() {
        match children[*at].get(*next) {
            Some(&child) => {
                page.push_str(if *next == 0 { "<ul>" } else { "" });
                *next += 1;
                item(page, &frames[child], findings.whole);
                open.push((child, 0));
            }
            None => {
                page.push_str(if *next == 0 { "</li>" } else { "</ul></li>" });
                open.pop();
            }
        }
    }
    page.push_str("</ul>");
}

fn item(page: &mut String, frame: &Frame, whole: u64) {
    let _ = write!(
        page,
        "<li><span class=size>{}</span> <span class=share>{}</span> <code>{}</code> <span class=faint>{}</span>",
        Size(frame.retained),
        share(frame.retained, whole),
        Html(&frame.name),
        if frame.count > 1 { format!("×{}", Count(frame.count)) } else { String::new() }
    );
}

fn types(page: &mut String, findings: &Findings) {
    section(
        page,
        "types",
        "Types",
        "Objects by type. <em>Own</em> is what they are themselves; what they <em>retain</em> would be freed with them. Open a type to \
         see how the program reaches its objects.",
    );
    head(
        page,
        &[
            ("Objects", true),
            ("Own", true),
            ("Share", true),
            ("Retained", true),
            ("Share", true),
            ("Type", false),
        ],
    );
    for row in &findings.types {
        page.push_str("<tr>");
        number(page, row.count, Count(row.count));
        bytes(page, row.shallow);
        part(page, row.shallow, findings.whole);
        bytes(page, row.retained);
        part(page, row.retained, findings.whole);
        if row.paths.is_empty() {
            let _ = write!(page, "<td><code>{}</code></td></tr>", Html(&row.name));
            continue;
        }
        let _ = write!(page, "<td><details><summary><code>{}</code></summary><ul>", Html(&row.name));
        for (expression, objects) in &row.paths {
            let _ = write!(page, "<li>{} <code>{}</code></li>", share(*objects, row.count), Html(expression));
        }
        page.push_str("</ul></details></td></tr>");
    }
    end(page);
    page.push_str("</section>");
}

fn roots(page: &mut String, findings: &Findings) {
    section(
        page,
        "roots",
        "Roots",
        "Where the program begins to hold things: global variables, and goroutines with the same stack, each with what it alone \
         retains. What several of them hold together has rows of its own, by the shortest way there.",
    );
    head(page, &[("Retained", true), ("Share", true), ("Kind", false), ("Count", true), ("Root", false)]);
    for row in &findings.roots {
        page.push_str("<tr>");
        bytes(page, row.retained);
        part(page, row.retained, findings.whole);
        let _ = write!(page, "<td>{}</td>", row.kind);
        number(page, row.count, Count(row.count));
        let _ = write!(page, "<td><code>{}</code></td></tr>", Html(&row.name));
    }
    end(page);
    page.push_str("</section>");
}

fn waste(page: &mut String, findings: &Findings) {
    if findings.waste.is_empty() {
        return;
    }
    section(
        page,
        "waste",
        "Waste",
        "Memory that holds nothing, or the same as other memory: each row says how much would be saved.",
    );
    head(
        page,
        &[
            ("Bytes", true),
            ("Share", true),
            ("Objects", true),
            ("Why", false),
            ("Type", false),
            ("Such as", false),
        ],
    );
    for row in &findings.waste {
        page.push_str("<tr>");
        bytes(page, row.bytes);
        part(page, row.bytes, findings.whole);
        number(page, row.objects, Count(row.objects));
        let (name, sample) = (Html(&row.name), &row.sample);
        let _ = write!(
            page,
            "<td>{}</td><td><code>{name}</code></td><td><code class=at>{sample}</code></td></tr>",
            row.what
        );
    }
    end(page);
    page.push_str("</section>");
}

fn samples(page: &mut String, findings: &Findings) {
    if findings.samples.is_empty() {
        return;
    }
    section(page, "samples", "Samples", "Of each type the object that retains most.");
    for sample in &findings.samples {
        let _ = write!(
            page,
            "<details><summary><code>{}</code> at <code>{}</code>, {}, retains {}</summary><p>Reached by <code>{}</code></p>",
            Html(&sample.name),
            sample.address,
            Size(sample.size),
            Bytes(sample.retained),
            Html(&sample.expression)
        );
        if !sample.fields.is_empty() {
            head(page, &[("Field", false), ("Type", false), ("Value", false)]);
            for (path, type_name, value) in &sample.fields {
                let (path, type_name, value) = (Html(path), Html(type_name), Html(value));
                let _ = write!(
                    page,
                    "<tr><td><code>{path}</code></td><td><code>{type_name}</code></td><td><code>{value}</code></td></tr>"
                );
            }
            end(page);
        }
        page.push_str("</details>");
    }
    page.push_str("</section>");
}

#[cfg(test)]
mod tests {
    use super::Html;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            Html("<script>\"a\" & 'b'\u{202e}\x1b").to_string(),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;<i>\\u{202e}</i><i>\\u{1b}</i>"
        );
    }
}
