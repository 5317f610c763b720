# Fills a page of the manual with what the program itself knows: replaces lines `.\" @WHAT` by mdoc made of the
# command tree, which `dcoord __commands` prints.
#
#     dcoord __commands | awk -f expand.awk -v noun=lock - dcoord-lock.1
#
# The lines of the tree, fields with TABs between:
#     version N | exit CODE MEANING | told VARIABLE MEANING
#     global|option LONG SHORT VALUE DEFAULT CHOICES TRAITS HELP      traits: positional required many environment
#     noun NAME GROUP SUMMARY LONGER | verb NAME USAGE SUMMARY TAIL | example LINE
BEGIN { FS = "\t" }

# --- reading the tree ---
FNR == NR && $1 == "version" { version = $2; next }
FNR == NR && $1 == "exit" { exits[++n_exits] = $2; exit_meaning[$2] = $3; next }
FNR == NR && $1 == "told" { told[++n_told] = $2; told_meaning[$2] = $3; next }
FNR == NR && $1 == "global" { globals[++n_globals] = $0; next }
FNR == NR && $1 == "noun" {
  nouns[++n_nouns] = $2; summary[$2] = $4
  current = $2; verb = 0
  next
}
FNR == NR && current != noun { next }
FNR == NR && $1 == "verb" { verbs[++verb] = $0; n_verbs = verb; next }
FNR == NR && $1 == "example" {
  if (verb) verb_examples[verb] = verb_examples[verb] $2 "\n"
  else noun_examples = noun_examples $2 "\n"
  next
}
FNR == NR && $1 == "option" { options[verb, ++n_options[verb]] = $0; next }
FNR == NR { next }

# --- writing the page ---
$0 == ".\\\" @synopsis" { synopsis(); next }
$0 == ".\\\" @verbs" { verb_sections(); next }
$0 == ".\\\" @globals" { global_options(); next }
$0 == ".\\\" @environment" { environment(); next }
$0 == ".\\\" @told" { told_variables(); next }
$0 == ".\\\" @exits" { exit_codes(); next }
$0 == ".\\\" @nouns" { noun_list(); next }
$0 == ".\\\" @examples" { literal(noun_examples); next }
/^\.\\" @/ { print FILENAME ": no such directive: " $0 > "/dev/stderr"; failed = 1; exit 1 }
{
  gsub(/@noun@/, noun)
  gsub(/@NOUN@/, toupper(noun))
  gsub(/@summary@/, summary[noun])
  gsub(/@version@/, version)
  print
}
END { if (failed) exit 1 }

# Text as it may stand in a line of text, or between quotes in a line with a macro.
function escape(text) {
  gsub(/\\/, "\\e", text)
  gsub(/--/, "\\-\\-", text)
  return text
}
function quote(text) {
  text = escape(text)
  gsub(/"/, "\\(dq", text)
  return "\"" text "\""
}
# Lines of text, of at most 78 characters.
function wrap(text,   words, n, i, line) {
  n = split(escape(text), words, " ")
  line = ""
  for (i = 1; i <= n; i++) {
    if (line != "" && length(line) + 1 + length(words[i]) > 78) { text_line(line); line = "" }
    line = line == "" ? words[i] : line " " words[i]
  }
  if (line != "") text_line(line)
}
function text_line(line) {
  if (line ~ /^[.']/) line = "\\&" line
  print line
}
function literal(lines,   list, n, i) {
  if (lines == "") return
  print ".Bd -literal -offset indent"
  n = split(lines, list, "\n")
  for (i = 1; i < n; i++) text_line(escape(list[i]))
  print ".Ed"
}
# The tag of an option: `.It Fl t , Fl -ttl Ar DUR`.
function tag(line,   f, tag_) {
  split(line, f, "\t")
  if (f[7] ~ /p/) return ".It Ar " quote(f[2])
  tag_ = ".It"
  if (f[3] != "") tag_ = tag_ " Fl " f[3]
  if (f[2] != "") tag_ = tag_ (f[3] == "" ? " Fl -" f[2] : " , Fl -" f[2])
  if (f[4] != "") tag_ = tag_ " Ar " quote(f[4])
  return tag_
}
function describe(line,   f, notes) {
  split(line, f, "\t")
  notes = ""
  if (f[7] ~ /r/ && f[7] !~ /p/) notes = notes "; required"
  if (f[7] ~ /m/ && f[7] !~ /p/) notes = notes "; may be repeated"
  if (f[6] != "") notes = notes "; " f[6]
  if (f[5] != "") notes = notes "; default: " f[5]
  sub(/^; /, "", notes)
  print tag(line)
  wrap(toupper(substr(f[8], 1, 1)) substr(f[8], 2) (notes == "" ? "" : " (" notes ")") ".")
}
function synopsis(   v, f) {
  for (v = 1; v <= n_verbs; v++) {
    split(verbs[v], f, "\t")
    print ".Nm dcoord"
    print ".Cm " noun (f[2] == "" ? "" : " " f[2])
    if (f[3] != "") text_line(escape(f[3]))
  }
}
function verb_sections(   v, o, f, name) {
  for (v = 1; v <= n_verbs; v++) {
    split(verbs[v], f, "\t")
    if (f[2] == "" && n_verbs > 1) {
      print ".Ss dcoord " noun " NAME"
      wrap("The same as dcoord " noun " run NAME.")
      continue
    }
    name = "dcoord " noun (f[2] == "" ? "" : " " f[2])
    print ".Ss " name
    if (f[3] != "") { print ".Dl " quote(name " " f[3]); print ".Pp" }
    wrap(toupper(substr(f[4], 1, 1)) substr(f[4], 2) ".")
    if (n_options[v]) {
      print ".Bl -tag -width Ds"
      for (o = 1; o <= n_options[v]; o++) describe(options[v, o])
      print ".El"
    }
    if (verb_examples[v] != "") {
      print ".Pp"
      print "For example:"
      literal(verb_examples[v])
    }
  }
}
function global_options(   i) {
  print ".Bl -tag -width Ds"
  for (i = 1; i <= n_globals; i++) describe(globals[i])
  print ".El"
}
function variable(noun, option) {
  option = toupper(option)
  gsub(/-/, "_", option)
  return "DCOORD_" (noun == "" ? "" : toupper(noun) "_") option
}
# Which variables set which options, each once.
function environment(   v, o, f, seen, found) {
  for (v = 1; v <= n_verbs; v++) {
    for (o = 1; o <= n_options[v]; o++) {
      split(options[v, o], f, "\t")
      if (f[7] !~ /e/ || f[2] in seen) continue
      seen[f[2]] = 1
      if (!found++) {
        print "These set options of the same name, as do their names without the"
        print "prefix, in lower case, in the table"
        print ".Li [" noun "]"
        print "of the configuration file,"
        print ".Xr dcoord.toml 5 ."
        print ".Pp"
        print ".Bl -tag -width Ds -compact"
      }
      print ".It Ev " variable(noun, f[2])
      print ".Fl -" f[2]
    }
  }
  if (found) print ".El"
  else print "No option of its own is read from the environment."
  print ".Pp"
  print "The variables of global options, and those that a command is told, are in"
  print ".Xr dcoord 1 ."
}
function told_variables(   i) {
  print ".Bl -tag -width Ds"
  for (i = 1; i <= n_told; i++) {
    print ".It Ev " told[i]
    wrap(toupper(substr(told_meaning[told[i]], 1, 1)) substr(told_meaning[told[i]], 2) ".")
  }
  print ".El"
}
function exit_codes(   i, text) {
  print ".Bl -tag -width Ds"
  for (i = 1; i <= n_exits; i++) {
    print ".It " exits[i]
    text = exit_meaning[exits[i]]
    wrap(toupper(substr(text, 1, 1)) substr(text, 2) ".")
  }
  print ".It 128+N"
  print "The command died of signal N, and dcoord died of the same one."
  print ".It else"
  print "The command's own, unchanged."
  print ".El"
}
function noun_list(   i) {
  print ".Bl -tag -width completion"
  for (i = 1; i <= n_nouns; i++) {
    print ".It Cm " nouns[i]
    wrap(toupper(substr(summary[nouns[i]], 1, 1)) substr(summary[nouns[i]], 2) ".")
    if (nouns[i] !~ /^(help|version)$/) print ".Xr dcoord-" nouns[i] " 1"
  }
  print ".El"
}
