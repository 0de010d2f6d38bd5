// Which nodes are meant: `tag:web and not node:db1 and os=debian and version(tailscale) < 1.98`. Pure: no clock, no I/O.
//
// Who evaluates it: the operator's own program, over the register that it fetched; the nodes that come out are shown and
// bound into the signed statement one by one. The text itself goes along for people to read and decides nothing: neither
// the service nor a node ever evaluates it.
//
//     selection  = [ quota "of" ] choice
//     quota      = NUMBER "%" | NUMBER
//     choice     = union { "or" union }
//     union      = term { "and" term }
//     term       = "not" term | "(" selection ")" | "*" | "tag:" TAG | "node:" NODE | "name:" GLOB | comparison
//     comparison = ("os" | "arch" | "state") ("=" | "!=") VALUE
//                | ("agent" | "version" "(" PACKAGE ")") ("=" | "!=" | "<" | "<=" | ">" | ">=") VERSION
//
// `and` binds closer than `or`. A quota is of everything after it, up to the closing parenthesis. A VALUE with blanks or
// one of `()=!<>` in it stands in double quotes.
