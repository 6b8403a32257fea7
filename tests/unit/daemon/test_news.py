"""What lasts is news once."""

from __future__ import annotations

from reconciler.daemon.news import News


def test_what_lasts_is_news_when_it_begins_and_when_it_comes_back() -> None:
    news = News()
    assert news.begun("disk", ["full", "full", ""]) == ["full"]
    assert news.begun("disk", ["full", "slow"]) == ["slow"]
    assert news.begun("watch", ["full"]) == ["full"]
    assert news.begun("disk", []) == []
    assert news.begun("disk", ["full"]) == ["full"]
    news.learn("disk", ["slow"])
    assert news.begun("disk", ["full", "slow", "old"]) == ["old"]
