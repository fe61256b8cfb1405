//! The page that `heapmatrix web` writes: what it holds, and how it behaves in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The page for a dump of the corpora.
fn page(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let output = Command::new(env!("CARGO_BIN_EXE_heapmatrix"))
        .arg("web")
        .args(args)
        .arg("-o")
        .arg(&path)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(path).unwrap()
}

const BUSY: &str = "corpora/real/go1.27.3-ppc64.dump.zst";
const OLD: &str = "corpora/real/go1.19.8-ppc64.dump.zst";

#[test]
fn the_page_says_what_it_cannot_know() {
    let page = page(&[BUSY, "--base", OLD]);
    let caveats: Vec<&str> =
        page.split("<p class=caveat>").skip(1).map(|rest| rest.split("</p>").next().unwrap()).collect();
    assert_eq!(caveats.len(), 2, "{caveats:?}");
    assert!(caveats[0].contains("of two processes") && caveats[1].contains("--exe PROGRAM"), "{caveats:?}");
    // What no root alone holds has rows of its own.
    let roots = page.split("<section id=roots>").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(roots.contains("<td>several roots</td>") && roots.contains("<td>variable</td>"), "{roots}");
}

#[test]
fn the_page_needs_nothing_else_and_has_its_tables_without_scripts() {
    let page = page(&[BUSY, "--base", OLD]);
    assert!(page.len() < 5 << 20, "{} bytes", page.len());
    for foreign in ["http:", "https:", "src=", "@import", "url(", "<link"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for (id, least) in [("suspects", 1), ("growth", 10), ("types", 40), ("roots", 10)] {
        let section = page.split(&format!("<section id={id}>")).nth(1).unwrap_or_else(|| panic!("no {id}"));
        let section = section.split("</section>").next().unwrap();
        let rows = section.matches("<tr>").count() + section.matches("<li").count();
        assert!(rows >= least, "{id}: {rows} rows");
    }
    // Every tag that is opened and needs it is closed.
    for tag in ["table", "tbody", "section", "details", "ul", "ol", "li", "tr", "td", "code"] {
        let without_scripts: String =
            page.split("<script").map(|part| part.split_once("</script>").map_or(part, |p| p.1)).collect();
        let open = without_scripts.matches(&format!("<{tag}>")).count()
            + without_scripts.matches(&format!("<{tag} ")).count();
        assert_eq!(open, without_scripts.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
}

/// What a person does, and what is seen then, in the page's title.
const VISIT: &str = r#"<script>{
const seen = [];
const boxes = () => document.querySelectorAll('#graph .f');
const key = (element, key) => element.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
seen.push(boxes().length > 20 ? 'frames' : `few frames: ${boxes().length}`);
const first = boxes()[0].textContent;
seen.push(first);
const wide = [...boxes()].find(box => box.style.top === '44px');
const name = wide.getAttribute('aria-label');
key(wide, 'Enter');
const after = [...boxes()].find(box => box.getAttribute('aria-label') === name);
seen.push(parseFloat(after.style.width) === document.getElementById('graph').clientWidth ? 'zoomed' : 'not zoomed');
key(after, 'Escape');
document.getElementById('reset').click();
seen.push(boxes()[1].style.top === '22px' && parseFloat(wide.style.width) < document.getElementById('graph').clientWidth ? 'back' : 'not back');
const search = document.getElementById('search');
search.value = 'WITHOUT';
search.dispatchEvent(new Event('input'));
seen.push(document.querySelectorAll('.f.hit').length > 0 && document.querySelectorAll('.f.dim').length > 0 ? 'found' : 'not found');
const head = document.querySelector('#types th button');
const counts = () => [...document.querySelectorAll('#types tbody tr')].map(row => Number(row.cells[0].dataset.v));
head.click();
const down = counts();
head.click();
const up = counts();
seen.push(down.every((n, i) => i === 0 || down[i - 1] >= n) && up.every((n, i) => i === 0 || up[i - 1] <= n) && down.length > 20 ? 'sorted' : 'not sorted');
document.title = seen.join(', ');
}</script></body>"#;

/// The page of a 32-bit and of a big-endian machine's dump, opened, zoomed, searched and sorted.
#[test]
fn a_browser_can_zoom_search_and_sort_it() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    }) else {
        eprintln!("NOT RUN: no Chromium (apt-get install chromium)");
        return;
    };
    for dump in [BUSY, "corpora/real/go1.27.3-386.dump.zst"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        fs::write(&path, page(&[dump]).replace("</body>", VISIT)).unwrap();
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--dump-dom"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", path.display()))
            .output()
            .unwrap();
        let dom = String::from_utf8_lossy(&output.stdout);
        if dom.is_empty() {
            eprintln!("NOT RUN: {browser} does not start here: {}", String::from_utf8_lossy(&output.stderr));
            return;
        }
        let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap();
        assert_eq!(title, "frames, all roots, zoomed, back, found, sorted", "{dump}");
    }
}
