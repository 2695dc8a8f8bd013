package report

import (
	"reflect"
	"strings"
	"unicode"
)

// clean copies a result without the characters that steer a terminal or turn
// the direction of text: what came from outside, such as an error, a host's name
// or a property, can only be read. Line breaks and tabs become spaces.
func clean[T any](v T) T {
	return cleaned(reflect.ValueOf(v)).Interface().(T)
}

func cleaned(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf(printable(v.String())).Convert(v.Type())
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(cleaned(v.Elem()))
		return p
	case reflect.Slice:
		return cleanedSlice(v)
	case reflect.Map:
		return cleanedMap(v)
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(cleaned(v.Field(i)))
			}
		}
		return out
	default:
		return v
	}
}

func cleanedSlice(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	for i := range v.Len() {
		out.Index(i).Set(cleaned(v.Index(i)))
	}
	return out
}

func cleanedMap(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for each := v.MapRange(); each.Next(); {
		out.SetMapIndex(cleaned(each.Key()), cleaned(each.Value()))
	}
	return out
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}
