use std::borrow::Cow;

use crate::visitor::Visitor;

const TEMPLATE: &str = include_str!("page.html");
const STATUS_MARK: &str = "{{status}}";

/// The front page for whoever is logged in.
pub fn render(visitor: Option<&Visitor>) -> String {
    TEMPLATE.replacen(STATUS_MARK, &status(visitor), 1)
}

fn status(visitor: Option<&Visitor>) -> Cow<'static, str> {
    let Some(Visitor { name, email }) = visitor else {
        return r#"<p class="status">Nobody is logged in.</p>"#.into();
    };
    let email = email.as_ref().filter(|email| *email != name);
    let detail = email.map_or_else(String::new, |email| {
        format!(r#"<span class="email">{}</span>"#, escape(email))
    });
    format!(
        r#"<p class="status in">Logged in as <strong>{}</strong>{detail}</p>"#,
        escape(name)
    )
    .into()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(name: &str, email: Option<&str>) -> String {
        render(Some(&Visitor {
            name: name.to_owned(),
            email: email.map(str::to_owned),
        }))
    }

    #[test]
    fn greets_and_says_that_nobody_is_logged_in() {
        let page = render(None);
        assert!(page.contains("Hello World from Rust app"));
        assert!(page.contains("Nobody is logged in."));
        assert!(!page.contains("{{"));
    }

    #[test]
    fn shows_name_and_email() {
        let page = page_of("alice", Some("alice@example.com"));
        assert!(page.contains("Logged in as <strong>alice</strong>"));
        assert!(page.contains(r#"<span class="email">alice@example.com</span>"#));
        assert!(!page.contains("Nobody"));
    }

    #[test]
    fn shows_an_email_that_is_the_name_once() {
        let page = page_of("alice@example.com", Some("alice@example.com"));
        assert_eq!(page.matches("alice@example.com").count(), 1);
    }

    #[test]
    fn escapes_every_special_character() {
        let page = page_of("<b>&\"'", Some("<script>alert(1)</script>"));
        assert!(page.contains("<strong>&lt;b&gt;&amp;&quot;&#39;</strong>"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn a_name_that_looks_like_the_mark_stays_text() {
        assert!(page_of("{{status}}", None).contains("<strong>{{status}}</strong>"));
    }
}
