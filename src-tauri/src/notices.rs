//! Notifications: what a desktop is given to show, and how often.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

/// Sentences that wait; what comes then is left out, and is in the window all the same.
pub(crate) const WAITING: usize = 16;

/// Between two notifications. What comes meanwhile is one.
pub(crate) const PAUSE: Duration = Duration::from_secs(5);

/// Letters of one. Some of its words are the guest's.
const LONGEST: usize = 500;

/// Gives sentences to `show`, as a notification's body, until nobody can send any more.
pub(crate) async fn tell(
    mut sentences: mpsc::Receiver<String>,
    pause: Duration,
    mut show: impl FnMut(String),
) {
    while let Some(first) = sentences.recv().await {
        let mut text = first;
        while let Ok(next) = sentences.try_recv() {
            text = text + "\n" + &next;
        }
        show(body(&text));
        sleep(pause).await;
    }
}

/// Desktops read a body as markup.
fn body(text: &str) -> String {
    let mut body = String::new();
    for letter in text.chars().take(LONGEST) {
        match letter {
            '&' => body.push_str("&amp;"),
            '<' => body.push_str("&lt;"),
            '>' => body.push_str("&gt;"),
            letter => body.push(letter),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        body.push('…');
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_short_and_no_markup() {
        assert_eq!(
            body("<a href=\"x\">R&D</a>"),
            "&lt;a href=\"x\"&gt;R&amp;D&lt;/a&gt;"
        );
        let longest = "ü".repeat(LONGEST);
        assert_eq!(body(&longest), longest);
        assert_eq!(body(&(longest.clone() + "n")), longest + "…");
    }

    #[tokio::test]
    async fn many_at_once_are_two() {
        let (sender, sentences) = mpsc::channel(WAITING);
        let (shown, mut bodies) = mpsc::unbounded_channel();
        tokio::spawn(tell(sentences, Duration::from_millis(200), move |body| {
            let _ = shown.send(body);
        }));
        sender.send("One.".into()).await.unwrap();
        assert_eq!(bodies.recv().await.unwrap(), "One.");
        for next in ["Two.", "Three."] {
            sender.send(next.into()).await.unwrap();
        }
        drop(sender);
        assert_eq!(bodies.recv().await.unwrap(), "Two.\nThree.");
        assert_eq!(bodies.recv().await, None);
    }
}
