#!/bin/bash
# Commit in a clone, on top of the branch main of its origin, and print the name of the commit:
#   commit.sh CLONE ORIGIN MESSAGE OPTION_OF_GIT ... <files
#
# Each file is a line "SIZE PATH" and its bytes after it, or a line "gone PATH". This is one program for all of a commit,
# with few others, for to start one takes longer than its work. What is in the clone already is not fetched.
set -e
cd "$1"
tip=$(git -C "$2" rev-parse --verify --quiet refs/heads/main) && git reset -q --hard "$tip" 2>/dev/null || {
    git fetch -q </dev/null
    git reset -q --hard origin/main
}
while IFS= read -r line; do
    size=${line%% *} path=./${line#* }
    case $size in
        gone) rm -f "$path" ;;
        *) [[ -d ${path%/*} ]] || mkdir -p "${path%/*}" && head -c "$size" >"$path" ;;
    esac
done
message=$3
shift 3
git add --all
git "$@" commit --quiet --allow-empty --message "$message"
git rev-parse HEAD
