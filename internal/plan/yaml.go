package plan

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file, which keep a hostile one from taking time and memory: the
// parser's time grows with the square of the keys, its stack with the depth.
const (
	maxBytes  = 256 << 10
	maxTokens = 20_000
	maxDepth  = 16
	maxIndent = 100 // columns before a line's first character
)

// node is a piece of a file, with where it stands.
type node struct {
	at    place
	kind  kind
	text  string // of a scalar, without its quotes
	items []node // of a list
	pairs []pair // of a mapping, doubled keys too
}

// pair is a key of a mapping with its value.
type pair struct {
	at    place
	key   string
	value node
}

// kind says what a node is, in the words of a message about it.
type kind string

const (
	empty   kind = "nothing"
	scalar  kind = "a single value"
	listing kind = "a list"
	mapping kind = "a mapping"
)

// document reads one YAML document into nodes. What is wrong goes to the findings,
// and ok is false then. Of YAML it takes what a question needs: scalars, lists and
// mappings.
func (f *findings) document(file string, data []byte) (root node, ok bool) {
	defer func() {
		// The parser is not ours, and a file comes from anywhere.
		if cause := recover(); cause != nil {
			f.add(place{file, 1}, "cannot be read as YAML: %s", quote(fmt.Sprint(cause)))
			ok = false
		}
	}()
	before := len(f.all)
	if f.bytes(file, data); len(f.all) > before {
		return node{}, false
	}
	tokens := lexer.Tokenize(string(data))
	if f.tokens(file, tokens); len(f.all) > before {
		return node{}, false
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		f.syntax(file, err)
		return node{}, false
	}
	root = node{at: place{file, 1}, kind: empty}
	if len(parsed.Docs) > 0 && parsed.Docs[0].Body != nil {
		root = f.node(file, parsed.Docs[0].Body, place{file, 1})
	}
	return root, len(f.all) == before
}

// bytes looks at the file before anything reads it.
func (f *findings) bytes(file string, data []byte) {
	at := place{file, 1}
	if len(data) > maxBytes {
		f.add(at, "the file has %d bytes: a question takes at most %d", len(data), maxBytes)
		return
	}
	for line := range bytes.Lines(data) {
		text := bytes.TrimLeft(line, " ")
		switch {
		case !utf8.Valid(line):
			f.add(at, "this is not UTF-8: save the file as UTF-8 text")
			return
		case bytes.HasPrefix(text, []byte("\t")):
			f.add(at, "a tab indents this line: YAML wants spaces")
		case len(line)-len(text) > maxIndent:
			f.add(at, "this line is indented by %d columns: at most %d", len(line)-len(text), maxIndent)
		case bytes.ContainsFunc(bytes.TrimRight(line, "\r\n"), control):
			f.add(at, "this line has a control character: take it out")
		}
		at.line++
	}
}

func control(r rune) bool { return r != '\t' && (r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0) }

// tokens refuses what a question has no use for, before the parser's recursion
// meets it.
func (f *findings) tokens(file string, tokens token.Tokens) {
	if len(tokens) > maxTokens {
		f.add(place{file, 1}, "the file has %d words and signs: a question takes at most %d", len(tokens), maxTokens)
		return
	}
	depth, dashes, began := 0, map[int]int{}, false
	for _, t := range tokens {
		at := place{file, t.Position.Line}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			f.add(at, "a question takes no anchors, aliases or merge keys (& * <<): write the values out")
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			f.add(at, "a question takes no tags, directives or complex keys (! %% ?): write plain keys and values")
		case token.DocumentHeaderType:
			if began {
				f.add(at, "another document begins here: a file holds one question")
			}
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > maxDepth {
				f.add(at, "this is nested more than %d deep", maxDepth)
			}
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if dashes[at.line]++; dashes[at.line] > maxDepth {
				f.add(at, "this is nested more than %d deep", maxDepth)
			}
		}
		began = began || t.Type != token.CommentType
	}
}

// syntax adds what the parser said.
func (f *findings) syntax(file string, err error) {
	var detail yaml.Error
	if errors.As(err, &detail) && detail.GetToken() != nil && detail.GetToken().Position != nil {
		f.add(place{file, max(1, detail.GetToken().Position.Line)}, "this is no YAML: %s", detail.GetMessage())
		return
	}
	f.add(place{file, 1}, "this is no YAML: %v", err)
}

// node turns what the parser made into ours; near is where it stands if it does
// not know itself.
func (f *findings) node(file string, n ast.Node, near place) node {
	at := near
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line > 0 {
		at = place{file, t.Position.Line}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return node{at: near, kind: empty}
	case *ast.LiteralNode:
		return node{at: at, kind: scalar, text: n.Value.Value}
	case *ast.MappingNode:
		return node{at: at, kind: mapping, pairs: f.pairs(file, n.Values)}
	case *ast.MappingValueNode:
		return node{at: at, kind: mapping, pairs: f.pairs(file, []*ast.MappingValueNode{n})}
	case *ast.SequenceNode:
		list := node{at: at, kind: listing}
		for _, item := range n.Values {
			list.items = append(list.items, f.node(file, item, at))
		}
		return list
	case ast.ScalarNode:
		return node{at: at, kind: scalar, text: n.GetToken().Value}
	}
	f.add(at, "a question has no use for this piece of YAML (%s)", n.Type())
	return node{at: at, kind: empty}
}

func (f *findings) pairs(file string, values []*ast.MappingValueNode) []pair {
	var pairs []pair
	for _, v := range values {
		at := place{file, max(1, v.Key.GetToken().Position.Line)}
		pairs = append(pairs, pair{at: at, key: v.Key.GetToken().Value, value: f.node(file, v.Value, at)})
	}
	return pairs
}
