use std::borrow::Cow;

use crate::visitor::Visitor;

const TEMPLATE: &str = include_str!("page.html");
const STATUS_MARK: &str = "{{status}}";

/// The front page for whoever is logged in.
pub fn render(visitor: Option<&Visitor>, can_log_out: bool) -> String {
    TEMPLATE.replacen(STATUS_MARK, &status(visitor, can_log_out), 1)
}

/// Where a logout ends; the only page of a private app that strangers may see.
pub fn render_logged_out() -> String {
    let status = r#"<p class="status">You are logged out. <a href="/">Log in again</a></p>"#;
    TEMPLATE.replacen(STATUS_MARK, status, 1)
}

fn status(visitor: Option<&Visitor>, can_log_out: bool) -> Cow<'static, str> {
    let Some(Visitor { name, email }) = visitor else {
        return r#"<p class="status">Nobody is logged in.</p>"#.into();
    };
    let email = email.as_ref().filter(|email| *email != name);
    let detail = email.map_or_else(String::new, |email| {
        format!(r#"<span class="email">{}</span>"#, escape(email))
    });
    let logout = if can_log_out {
        r#"<a class="logout" href="/logout">Log out</a>"#
    } else {
        ""
    };
    format!(
        r#"<p class="status in">Logged in as <strong>{}</strong>{detail}{logout}</p>"#,
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
        let email = email.map(str::to_owned);
        let name = name.to_owned();
        render(Some(&Visitor { name, email }), false)
    }

    #[test]
    fn offers_a_logout_to_whoever_is_logged_in_and_where_there_is_one() {
        let (name, email) = ("alice".to_owned(), None);
        assert!(render(Some(&Visitor { name, email }), true).contains(r#"href="/logout""#));
        assert!(!page_of("alice", None).contains("/logout"));
        assert!(!render(None, true).contains("/logout"));
    }

    #[test]
    fn greets_and_says_that_nobody_is_logged_in() {
        let page = render(None, false);
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
