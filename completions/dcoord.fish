# Completion of dcoord for fish. The program knows what may stand where: it gets the words up to the cursor and answers
# in lines, first what there is ("words", "files", "directories", "command") and whether a space follows, then what may
# stand there, TAB, and what that is.

function __dcoord_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] __complete fish $words[2..] "$current" 2>/dev/null)
    set -l value (string replace -r '^--[^=]*=' '' -- $current)
    switch "$answer[1]"
        case 'files*'
            if test "$value" != "$current"
                set -l name (string replace -r '=.*' '=' -- $current)
                __fish_complete_path "$value" | string replace -r '^' -- "$name"
            else
                __fish_complete_path "$value"
            end
        case 'directories*'
            __fish_complete_directories "$value"
        case 'command*'
            set -l at (contains -i -- -- $words)
            set -l command (string escape -- $words[(math $at + 1)..])
            complete -C (string join ' ' -- $command "$current")
            return
    end
    string join \n -- $answer[2..]
end

complete -c dcoord -f -a '(__dcoord_complete)'
