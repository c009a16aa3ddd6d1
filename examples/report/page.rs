//! The page from its template. minijinja escapes each value, since the template's name ends in `.html`.

use std::error::Error;
use std::io::Write;

use minijinja::{context, Environment, UndefinedBehavior, Value};

use super::view::Page;

pub(crate) fn write(page: &Page, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut environment = Environment::new();
    // A name that the template has wrong is an error, not nothing.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("grouped", grouped);
    environment.add_template("page.html", include_str!("page.html"))?;
    let template = environment.get_template("page.html")?;
    let safe = |text: &str| Value::from_safe_string(text.to_owned());
    template.render_captured_to(
        context! {
            page => page,
            style => safe(include_str!("page.css")),
            script => safe(include_str!("page.js")),
            counts => Value::from_safe_string(script_json(&page.counts)?),
        },
        out,
    )?;
    Ok(())
}

/// JSON that can stand in a `<script>`: nothing in it ends the element or begins a comment
/// (HTML, "Restrictions for contents of script elements").
fn script_json(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

/// `2,001,600`, as `toLocaleString("en-US")` in page.js.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
