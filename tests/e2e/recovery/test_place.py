"""What is at /etc/postfix and can't be exchanged for a link: it is told, and nothing of it is touched."""

from __future__ import annotations

from tests.e2e.adopted_host import AdoptedHost

MOUNT = "mkdir -p /srv/theirs {0} && touch /srv/theirs/file && mount --bind /srv/theirs {0}"


def test_mount_points_and_somebodys_link_are_not_adopted_and_stay_as_they_are() -> None:
    with AdoptedHost(adopt=False, daemon=False) as adopted:
        for place, end in (
            ("/etc/postfix/theirs", "umount /etc/postfix/theirs; rmdir /etc/postfix/theirs"),
            ("/etc/postfix", "umount /etc/postfix"),
        ):
            adopted.sh("cp -a /etc/postfix/. /srv/theirs/" if place == "/etc/postfix" else "true")
            adopted.sh(MOUNT.format(place))
            ran = adopted.reconciler("once", "--adopt")
            assert ran.status == 75, ran
            assert f"{place} is a mount point" in ran.text
            assert "nothing was adopted" in ran.text
            assert adopted.sh(f"stat -c %F /etc/postfix; ls {place}/file") == f"directory\n{place}/file"
            adopted.sh(end)
        adopted.sh("mv /etc/postfix /srv/postfix && ln -s /srv/postfix /etc/postfix")
        ran = adopted.reconciler("once", "--adopt")
        assert ran.status == 75, ran
        assert "/etc/postfix is a link to /srv/postfix, which somebody else made; nothing was adopted" in ran.text
        assert adopted.sh("readlink /etc/postfix") == "/srv/postfix"
        adopted.sh("rm /etc/postfix && mv /srv/postfix /etc/postfix")

        assert adopted.reconciler("once", "--adopt").status == 0

        adopted.sh("mkdir -p /etc/postfix/theirs")
        adopted.sh(MOUNT.format("/etc/postfix/theirs"))
        assert any("theirs is a mount point" in limit for limit in adopted.status()["limits"])
        for _ in range(2):
            adopted.reconciler("rollback", "0")
        assert adopted.sh("ls /srv/theirs/file") == "/srv/theirs/file"
        assert adopted.answers()
