//! The promise: the page of the example `report` shows what is in the files: its counts are theirs, its filters work
//! by click and by key, and what was logged stays text. Looked at in a real browser, where there is one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{json, Value};

use crate::support::{lacks, Need};

/// What must stay text wherever it is put: in an element, an attribute, or a script.
const MARKUP: &str = r#"</script><script>document.title="executed"</script><img src=x onerror='document.title="executed"'>"#;

fn line(second: u32, rest: &str) -> String {
    format!("2026-04-17T{:02}:{:02}:{:02}Z {rest}\n", second / 3600, second / 60 % 60, second % 60)
}

/// Three pieces of equipment. CONFOCAL_01 has two hosts, runs, numbers and a loss; STAGE_02 fell silent; PUMP_03 has
/// what should be no markup.
fn tree(root: &Path) {
    let write = |equipment: &str, name: &str, text: &str| {
        let folder = root.join(equipment).join(".exlab-wizard");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    };
    let (mut a, mut b) = (String::new(), String::new());
    for n in 0..100 {
        let head = format!("[host:a] [equip:CONFOCAL_01] [run:R{}]", n / 50);
        a += &line(n * 60, &format!("[INFO ] {head} [lamp_c:{}] frame {n}", 30 + n % 10));
    }
    a += &line(6000, "[ERROR] [host:a] [equip:CONFOCAL_01] [run:R1] laser 2 lost its interlock");
    write("CONFOCAL_01", "wizard.a.log.2026-04-16", &a);
    write(
        "CONFOCAL_01",
        "wizard.a.log",
        &line(6100, "[DEBUG] [host:a] [equip:CONFOCAL_01] [run:R1] reset"),
    );
    writeln!(b, "no record").unwrap();
    b += &line(
        3000,
        "[WARN ] [host:b] [equip:CONFOCAL_01] 7 records are missing here since 2026-04-17T00:40:00Z: No space left on \
         device (os error 28).",
    );
    write("CONFOCAL_01", "wizard.b.log", &b);
    write("STAGE_02", "wizard.a.log", &line(100, "[INFO ] [host:a] [equip:STAGE_02] homed"));
    let mut c = line(6050, &format!("[ERROR] [host:a] [equip:PUMP_03] [run:{MARKUP}] {MARKUP}"));
    c += &line(6120, "[TRACE] [host:a] [equip:PUMP_03] idle");
    write("PUMP_03", "wizard.a.log", &c);
}

/// Whether it succeeded, and what it said on standard error.
fn try_report(root: &Path, page: &Path, args: &[&str]) -> (bool, String) {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples/report");
    let program = built.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is not built: `cargo build --example report`", program.display());
    let output =
        Command::new(program).arg(root).arg("--output").arg(page).args(args).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn report(root: &Path, page: &Path, args: &[&str]) -> String {
    let (succeeded, stderr) = try_report(root, page, args);
    assert!(succeeded, "{stderr}");
    stderr
}

/// A path that is mistyped.
#[test]
fn where_no_log_is_found_the_page_of_before_stays() {
    let root = tempfile::tempdir().unwrap();
    let page = root.path().join("page.html");
    fs::write(&page, "of before").unwrap();
    let (succeeded, stderr) = try_report(&root.path().join("missing"), &page, &[]);
    assert!(!succeeded && stderr.contains("missing"), "{stderr}");
    assert!(stderr.contains("no log is found, and no page written"), "{stderr}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "of before");
}

#[test]
fn the_page_is_whole_without_a_browser_and_what_was_logged_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let (root, page) = (folder.path().join("lab"), folder.path().join("report.html"));
    tree(&root);
    let stderr = report(&root, &page, &[]);
    assert!(
        stderr.ends_with("106 records of 3 equipment, 2 ERRORs, 7 records missing\n"),
        "{stderr}"
    );
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("7 records are missing here since"), "the loss");
    assert!(html.contains("<b>STAGE_02</b>: last record"), "who fell silent");
    assert!(html.contains("1 lines are no records"));
    assert!(
        html.contains("<b>lamp_c</b> CONFOCAL_01") && html.contains("most <b>39</b>"),
        "the chart"
    );
    assert!(!html.contains("<img") && !html.contains("<script>document.title"));
    // Nothing from the net.
    assert!(!html.contains("http://") && !html.contains("https://"));

    report(&root, &page, &["--since", "2026-04-17T01:40:00Z", "--level", "error"]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains(r#"<b id="total">2</b> records"#), "chosen by the options of merge");
}

/// Runs `steps` in the page, and returns what they left in `seen`; nothing may be reported on the console.
fn in_browser(page: &Path, address: &str, steps: &str) -> Value {
    let html = fs::read_to_string(page).unwrap();
    let first = "<script>window.errors = []; addEventListener('error', (e) => errors.push(e.message));</script>";
    let last = format!(
        "<script>
            const $ = (selector) => document.querySelector(selector);
            const all = (selector) => [...document.querySelectorAll(selector)];
            const key = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {{key, bubbles: true}}));
            const tick = () => new Promise((done) => setTimeout(done));
            const shown = (selector) => all(selector).filter((e) => !e.closest('[hidden]'));
            const counts = () => all('[data-total]').map((e) => Number(e.textContent.replace(/,/g, '')));
            (async () => {{
                const seen = {{}};
                {steps}
                seen.errors = errors;
                seen.title = document.title;
                const out = document.createElement('pre');
                out.id = 'seen';
                out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
                document.body.append(out);
            }})();
        </script></body>"
    );
    let html = html.replacen("<head>", &format!("<head>{first}"), 1).replace("</body>", &last);
    let tested: PathBuf = page.with_extension("tested.html");
    fs::write(&tested, html).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{address}", tested.display()))
        .output()
        .unwrap();
    let (dom, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let console: Vec<_> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let seen = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (seen, _) = seen.unwrap_or_else(|| panic!("the steps did not end:\n{log}"));
    let mut decoded = Vec::new();
    for four in seen.as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, byte| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            bits << 6 | alphabet.iter().position(|letter| letter == byte).unwrap_or(0) as u32
        });
        let padding = four.iter().filter(|byte| **byte == b'=').count();
        decoded.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    let seen: Value = serde_json::from_slice(&decoded).unwrap();
    assert_eq!(seen["errors"], json!([]));
    assert_eq!(seen["title"], "Equipment report", "what was logged is no script");
    seen
}

#[test]
#[cfg_attr(windows, ignore = "there is no browser to run")]
fn in_a_browser_the_counts_are_those_of_the_files_and_the_filters_work() {
    if lacks(&[Need::Tool("chromium")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, page) = (folder.path().join("lab"), folder.path().join("report.html"));
    tree(&root);
    report(&root, &page, &[]);
    let seen = in_browser(
        &page,
        "",
        "seen.all = counts();
         seen.message = all('.last .message').map((e) => e.textContent);
         seen.runs = all('#run option').map((e) => e.textContent);
         // By click.
         $('input[name=level][value=\"0\"]').click();
         seen.errors_only = [counts(), shown('.item').length, shown('rect').filter((e) => e.getAttribute('height') > 0).length];
         $('button[type=reset]').click(); await tick();
         $('.lane[data-equipment=CONFOCAL_01] .name').click();
         seen.confocal = [counts(), shown('.lane').length, shown('.item').length, shown('tbody tr').length, location.hash];
         $('#run').value = 'R1'; $('#run').dispatchEvent(new Event('input', {bubbles: true}));
         seen.run = [counts(), shown('.item').length];
         $('.lane[data-equipment=CONFOCAL_01] .name').click();
         seen.only_run = [counts(), shown('.lane').length];
         // By key.
         key('Escape'); await tick();
         seen.escape = counts();
         key('2');
         seen.key = counts();
         key('5'); key('/');
         seen.focus = document.activeElement.id;
         document.activeElement.value = 'INTERLOCK';
         document.activeElement.dispatchEvent(new Event('input', {bubbles: true}));
         seen.text = [shown('.item').map((e) => e.dataset.equipment), shown('.shown').map((e) => e.textContent)];
         key('Escape'); key('e');
         seen.focus_equipment = document.activeElement.id;
         $('#zone').click(); $('#zone').click();
         seen.time = $('.error time').textContent;",
    );
    // ERROR, WARN, INFO, DEBUG, TRACE.
    assert_eq!(seen["all"], json!([2, 1, 101, 1, 1]));
    assert_eq!(
        seen["message"],
        json!([MARKUP, "laser 2 lost its interlock"]),
        "newest first, as text"
    );
    assert_eq!(seen["runs"], json!(["all", MARKUP, "R0", "R1"]));
    assert_eq!(seen["errors_only"], json!([[2, 0, 0, 0, 0], 2, 2]));
    assert_eq!(seen["confocal"], json!([[1, 1, 100, 1, 0], 1, 2, 1, "#equipment=CONFOCAL_01"]));
    assert_eq!(seen["run"], json!([[1, 0, 50, 1, 0], 1]));
    assert_eq!(seen["only_run"], json!([[1, 0, 50, 1, 0], 1]));
    assert_eq!(seen["escape"], seen["all"]);
    assert_eq!(seen["key"], json!([2, 1, 0, 0, 0]));
    assert_eq!(seen["focus"], "text");
    assert_eq!(seen["text"], json!([["CONFOCAL_01"], ["0 of 1 shown", "1 of 2 shown"]]));
    assert_eq!(seen["focus_equipment"], "equipment");
    assert_eq!(seen["time"], "2026-04-17 01:40:50");

    // Who is not shown is not counted.
    let seen = in_browser(
        &page,
        "#equipment=STAGE_02",
        "seen.head = [$('#shown-equipment').textContent, $('#missing').textContent];",
    );
    assert_eq!(seen["head"], json!(["1", "0"]));

    // The address of a view that a colleague sent.
    let seen = in_browser(&page, "#equipment=PUMP_03&level=ERROR", "seen.all = counts();");
    assert_eq!(seen["all"], json!([1, 0, 0, 0, 0]));
}
