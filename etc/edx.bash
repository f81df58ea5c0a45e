# Completion of edxd, edxsim, edxplay, edxmon, edxctl and edxweb for bash. Options, scenes and keys are asked of
# the programs themselves, so that they are those of the version that is installed.

_edx_topics="status spectrum maps pca nmf particles profile trend alarm"

# What edxd says to a key that cannot be: "… unknown key, expected one of a, b, c". With a value that is
# begun ("key=…") there is nothing to offer.
_edx_keys() {
    local word=$1 program=$2 inside="" name
    case $word in
    *=* | *[!a-z._]*) return ;;
    *.*) inside=${word%.*}. ;;
    esac
    for name in $("$program" -t -c /dev/null -s "$inside?=1" 2>&1 |
        sed -n 's/.*unknown key, expected one \(of\|in\) //p' | tr -d ','); do
        printf '%s\n' "$inside$name"
    done
}

# Words from which one may choose for the value of an option; fails where it is a file, a folder or free.
_edx_values() {
    case $2 in
    --pattern) echo pub push dealer ;;
    --scene) "$1" --scenes 2>/dev/null | sed 's/ .*//' ;;
    --fault) echo gap duplicate reorder garbage late broken silence blocks ;;
    --speed) echo max ;;
    --colour | --color) echo truecolor 256 16 mono ;;
    --measure) echo value sigma snr ;;
    --view) echo maps particles trend components scree ;;
    --source) echo raw model denoised pca nmf ;;
    -s | --set) _edx_keys "$3" "$1" ;;
    *) return 1 ;;
    esac
}

# Is this an option that wants a value? The help has it before one in capitals.
_edx_wants_value() { "$1" --help 2>&1 | grep -qE -- "(^|[ ,])$2(, --[a-z-]+)? +[A-Z]"; }

_edx_words() {
    case $1 in
    *edxctl)
        case $3 in
        get | set) _edx_keys "$2" edxd ;;
        history) echo "$_edx_topics" ;;
        *) echo status save stop reset get set profile region calibrate history export report keygen ;;
        esac
        ;;
    *edxmon) echo "$_edx_topics" ;;
    esac
}

# _edx_files WORD PATTERN: folders, and files whose name matches.
_edx_files() {
    local name
    while IFS= read -r name; do
        [ -d "$name" ] && COMPREPLY+=("$name/") && continue
        [[ $name =~ $2 ]] && COMPREPLY+=("$name")
    done < <(compgen -f -- "$1")
    compopt -o nospace -o filenames 2>/dev/null
}

_edx() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} choice
    COMPREPLY=()
    if [ "$before" = = ] && [ "$COMP_CWORD" -gt 2 ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    elif [ "$word" = = ]; then
        word=""
    fi
    if choice=$(_edx_values "$program" "$before" "$word"); then
        mapfile -t COMPREPLY < <(compgen -W "$choice" -- "$word")
        case $before in -s | --set) compopt -o nospace 2>/dev/null ;; esac
    elif [[ $before == -* ]] && _edx_wants_value "$program" "$before"; then
        case $before in
        --offline) _edx_files "$word" '\.edxr$' ;;
        --root | --runs) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        --config | -c | --output | -o | --convert | --truth | --token-file | --key | --server-key) _edx_files "$word" . ;;
        esac
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>&1 | grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$word")
    else
        case $program in
        *edxd) [[ " ${COMP_WORDS[*]} " == *" --offline "* ]] && _edx_files "$word" '\.edxr$' ;;
        *edxctl)
            case $before in
            export | report) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
            *) mapfile -t COMPREPLY < <(compgen -W "$(_edx_words "$program" "$word" "$before")" -- "$word") ;;
            esac
            ;;
        *edxplay) _edx_files "$word" '\.(edxr|pts|emd|hspy)$' ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$(_edx_words "$program" "$word" "$before")" -- "$word") ;;
        esac
    fi
}

complete -F _edx edxd edxsim edxplay edxmon edxctl edxweb
