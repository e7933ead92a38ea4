# Coracle's docker, for systems that have none: at the end, where any other comes first.
case ":$PATH:" in
*:/usr/lib/coracle/tools/bin:*) ;;
*) PATH=$PATH:/usr/lib/coracle/tools/bin ;;
esac
