echo "$1 of a script"
