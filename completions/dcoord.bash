# Completion of dcoord for bash 4.4 and later. The program knows what may stand where: it gets the line up to the
# cursor and answers in lines, first what there is ("words", "files", "directories", "command") and whether a space
# follows ("whole", "open"), then what readline is to insert, TAB, and what that is.

_dcoord() {
  local line=${COMP_LINE:0:COMP_POINT} program=${COMP_WORDS[0]/#\~/$HOME} what answer=()
  mapfile -t answer < <("$program" __complete bash "$COMP_WORDBREAKS" "$line" 2> /dev/null)
  [[ ${#answer[@]} -gt 0 ]] || return 0
  what=${answer[0]}
  COMPREPLY=("${answer[@]:1}")
  COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
  case $what in
    files*) compopt -o default ;;
    directories*) compopt -o dirnames ;;
    command*) _dcoord_command ;;
    *open) compopt -o nospace ;;
  esac
}

# What stands after `--`, as if it were typed alone.
_dcoord_command() {
  local -i at=1
  while [[ ${COMP_WORDS[at]} != -- ]]; do at+=1; done
  at+=1
  if declare -F _comp_command_offset > /dev/null; then
    _comp_command_offset "$at"
  elif declare -F _command_offset > /dev/null; then
    _command_offset "$at"
  else
    _dcoord_command_alone "$at"
  fi
}

# The same without the package bash-completion: asks the function that completes the command, if there is one.
_dcoord_command_alone() {
  local -i at=$1 i
  local current=${COMP_WORDS[COMP_CWORD]} spec rest=$COMP_LINE
  if ((COMP_CWORD == at)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$current" | sort -u)
    return
  fi
  for ((i = 0; i < at; i++)); do
    rest=${rest#*"${COMP_WORDS[i]}"}
  done
  rest=${rest#"${rest%%[![:space:]]*}"}
  COMP_POINT=$((COMP_POINT - ${#COMP_LINE} + ${#rest}))
  COMP_LINE=$rest
  COMP_WORDS=("${COMP_WORDS[@]:at}")
  COMP_CWORD=$((COMP_CWORD - at))
  spec=$(complete -p -- "${COMP_WORDS[0]##*/}" 2> /dev/null) || spec=
  if [[ $spec =~ \ -F\ ([^ ]+) ]]; then
    "${BASH_REMATCH[1]}" "${COMP_WORDS[0]}" "$current" "${COMP_WORDS[COMP_CWORD - 1]}"
  else
    compopt -o default
  fi
}

complete -o nosort -F _dcoord dcoord
