package connection

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a configuration file, which keep a hostile one from taking time and
// memory: the parser's time grows with the square of the keys, its stack with depth.
const (
	maxYAML   = 256 << 10
	maxTokens = 20_000
	maxDepth  = 16
	maxIndent = 100
)

type yamlKind int

const (
	yamlScalar yamlKind = iota // also nothing at all
	yamlMapping
	yamlOther
)

// yamlNode is a piece of the file; text is a scalar's, whatever type YAML gives it.
type yamlNode struct {
	kind  yamlKind
	line  int
	text  string
	pairs []yamlPair
}

type yamlPair struct {
	key   string
	line  int
	value yamlNode
}

// parseYAML reads one document of mappings and scalars. An error shows none of the
// text, which may be a secret.
func parseYAML(path string, text []byte) (root yamlNode, err error) {
	defer func() {
		// The parser is not ours, and a file comes from anywhere.
		if recover() != nil {
			root, err = yamlNode{}, settingsError("%s cannot be read as YAML", path)
		}
	}()
	if line, err := checkText(text); err != nil {
		return yamlNode{}, settingsError("%s:%d: %w", path, line, err)
	}
	tokens := lexer.Tokenize(string(text))
	if line, err := checkTokens(tokens); err != nil {
		return yamlNode{}, settingsError("%s:%d: %w", path, line, err)
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return yamlNode{}, settingsError("%s:%d: this is no YAML: look at the indents, and at what should stand in quotes", path, lineOf(err))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return yamlNode{}, nil
	}
	return nodeOf(file.Docs[0].Body), nil
}

// lineOf is where the parser stopped. Its own words quote the text.
func lineOf(err error) int {
	var detail yaml.Error
	if errors.As(err, &detail) && detail.GetToken() != nil && detail.GetToken().Position != nil {
		return max(1, detail.GetToken().Position.Line)
	}
	return 1
}

func checkText(text []byte) (int, error) {
	if len(text) > maxYAML {
		return 1, fmt.Errorf("the file has %d bytes: a configuration file takes at most %d", len(text), maxYAML)
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		rest := bytes.TrimLeft(line, " ")
		switch {
		case !utf8.Valid(line):
			return number, errors.New("this is not UTF-8: save the file as UTF-8 text")
		case bytes.HasPrefix(rest, []byte("\t")):
			return number, errors.New("a tab indents this line: YAML wants spaces")
		case len(line)-len(rest) > maxIndent:
			return number, fmt.Errorf("this line is indented by more than %d columns", maxIndent)
		case bytes.ContainsFunc(bytes.TrimRight(line, "\r\n"), func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			return number, errors.New("this line has a control character: take it out")
		}
	}
	return 0, nil
}

// checkTokens refuses what a configuration has no use for, before the parser's
// recursion meets it.
func checkTokens(tokens token.Tokens) (int, error) {
	if len(tokens) > maxTokens {
		return 1, fmt.Errorf("the file has more than %d words and signs", maxTokens)
	}
	depth, began := 0, false
	for _, t := range tokens {
		line := max(1, t.Position.Line)
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType, token.MappingKeyType, token.SequenceEntryType:
			return line, errors.New("a configuration takes keys and values alone (no - & * << ! % ?): put a value that begins with such a sign in quotes")
		case token.DocumentHeaderType:
			if began {
				return line, errors.New("another document begins here: a configuration is one")
			}
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > maxDepth {
				return line, fmt.Errorf("this is nested more than %d deep", maxDepth)
			}
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		began = began || t.Type != token.CommentType
	}
	return 0, nil
}

func nodeOf(n ast.Node) yamlNode {
	line := 1
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		node := yamlNode{kind: yamlMapping, line: line}
		for _, pair := range n.Values {
			node.pairs = append(node.pairs, pairOf(pair))
		}
		return node
	case *ast.MappingValueNode:
		return yamlNode{kind: yamlMapping, line: line, pairs: []yamlPair{pairOf(n)}}
	case *ast.StringNode:
		return yamlNode{line: line, text: n.Value}
	case *ast.LiteralNode:
		return yamlNode{line: line, text: n.Value.Value}
	case *ast.NullNode:
		return yamlNode{line: line}
	case ast.ScalarNode: // a number or boolean, as it was written
		return yamlNode{line: line, text: n.GetToken().Value}
	}
	return yamlNode{kind: yamlOther, line: line}
}

func pairOf(pair *ast.MappingValueNode) yamlPair {
	key := nodeOf(pair.Key)
	return yamlPair{key.text, key.line, nodeOf(pair.Value)}
}

// quoteYAML writes a text so that YAML reads it as that text: bare where it is a plain
// word, else in double quotes, where YAML knows all of Go's escapes.
func quoteYAML(text string) string {
	plain := text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == "" &&
		strings.Trim(text[:1], "0123456789.-") != "" && !strings.HasSuffix(text, ".")
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		plain = false
	}
	if plain {
		return text
	}
	return strconv.Quote(text)
}
