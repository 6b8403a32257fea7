#!/bin/sh
# The floor: the least that brings /etc/postfix to what the branch main of REPOSITORY holds.
#   floor.sh REPOSITORY
set -eu
new=$(mktemp -d /etc/postfix.XXXXXX)
trap 'rm -rf "$new"' EXIT

git --git-dir="$1" archive main | tar -x -C "$new"                      # fetch
cd "$new"
changed=$(for file in *; do cmp -s "$file" "/etc/postfix/$file" || echo "$file"; done)
[ -n "$changed" ] || exit 0                                             # compare
touch -d '10 seconds ago' $changed      # Postfix sleeps while its main.cf is young
mv $changed /etc/postfix/                                               # move
for file in $changed; do
    case $file in *.cf) ;; *) postmap "lmdb:/etc/postfix/$file" ;; esac # postmap
done
postfix check                                                           # check
postfix reload                                                          # reload
