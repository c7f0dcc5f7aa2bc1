//! A button that is pressed twice: the browser gives up the first answer and shows the second.

use std::time::Duration;

use wardlock_tests::raw::RawReply;

use super::{Browser, acts, csrf, drafting, get, held, link, post, shown, text};
use crate::world::{Plan, World};

/// The pair of a cookie that a page sets, as the browser brings it back.
fn brought(reply: &RawReply) -> String {
    let pair = reply.header("set-cookie").expect("a cookie").split(';').next().expect("a pair");
    format!("Cookie: {pair}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_on_a_link_is_given_the_same_session_in_its_browser_alone() {
    let world = World::start(Plan::default()).await;
    let path = link(&world).await;
    let (earlier, shown) = (get(&world, &path, "").await, get(&world, &path, "").await);
    let bound = format!("; HttpOnly; SameSite=Strict; Path={path}; Max-Age=300");
    assert!(shown.header("set-cookie").is_some_and(|set| set.ends_with(&bound)), "{shown:?}");
    let (earlier, own) = (brought(&earlier), brought(&shown));
    assert_ne!(earlier, own, "each browser is another");
    let press = async |cookie: &str| post(&world, &path, &format!("{}{cookie}", super::own(&world)), "").await;
    // Both are on their way at once.
    let (first, second) = tokio::join!(press(&own), press(&own));
    for entered in [&first, &second, &press(&own).await] {
        assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
        assert_eq!(brought(entered), brought(&first), "the same session");
    }
    assert_eq!(get(&world, "/", &brought(&second)).await.status, 200);
    let back = get(&world, &path, &own).await;
    assert_eq!((back.status, back.header("set-cookie")), (200, None), "going back shows the button");
    let of = |what: &str| acts(&world).iter().filter(|(act, ..)| act == what).count();
    assert_eq!((of("dashboard.login"), of("dashboard.link-reused")), (1, 0));

    // Whoever opened the link's page, before or after, and does not have that browser's cookie.
    let doubled = format!("{}; wardlock_link=x\r\n", own.trim_end());
    for cookie in [&earlier, "", &doubled, "Cookie: wardlock_link=\r\n"] {
        let refused = press(cookie).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (410, None), "{cookie}");
        assert!(text(&refused).contains("used before"), "{}", text(&refused));
        assert_eq!(get(&world, &path, cookie).await.status, 410, "{cookie}");
    }
    assert_eq!(of("dashboard.link-reused"), 1);
    // Who has signed out is not let in again.
    let mut browser = Browser { world: &world, cookie: String::new(), csrf: String::new() };
    brought(&first).trim_start_matches("Cookie: ").trim_end().clone_into(&mut browser.cookie);
    browser.csrf = csrf(&text(&browser.get("/").await));
    assert_eq!(browser.post("/logout", "").await.status, 303);
    let ended = press(&own).await;
    assert_eq!((ended.status, ended.header("set-cookie")), (410, None));
    assert!(text(&ended).contains("You have used this link"), "{}", text(&ended));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_while_the_first_is_followed_is_led_to_what_came_of_it() {
    let world = drafting().await;
    let browser = Browser::signed_in(&world).await;
    for (decision, gives_up) in [("approve", false), ("approve", true), ("reject", false), ("reject", true)] {
        let id = held(&world).await;
        let hash = shown(&world, &id).await["request_sha256"].as_str().expect("a hash").to_owned();
        let (path, its_page) = (format!("/drafts/{id}/{decision}"), format!("/drafts/{id}"));
        let fields = format!("request_sha256={hash}&confirm=acme/zoho");
        let before = world.api_calls();
        let first = async {
            let answered = browser.post(&path, &fields);
            // A browser closes the connection of the click that it gives up. Whether that was followed by then is all the same.
            let patience = Duration::from_millis(if gives_up { 20 } else { 60_000 });
            tokio::time::timeout(patience, answered).await.ok()
        };
        let (first, second) = if gives_up {
            (first.await, browser.post(&path, &fields).await)
        } else {
            tokio::join!(first, browser.post(&path, &fields))
        };
        for led in first.iter().chain([&second]) {
            assert_eq!((led.status, led.header("location")), (303, Some(its_page.as_str())), "{}", text(led));
        }
        assert!(text(&browser.get(&its_page).await).contains("<h2 id=\"decided\">"), "{decision}");
        assert_eq!(world.api_calls() - before, usize::from(decision == "approve"), "{decision}: once");
    }
    world.end().await;
}
