//! Scopes: `Service.scope[.sub].OPERATION`, compared without regard to case (facts section 4). One grammar for every
//! product, so that one consent may name several.

/// Whether a needed scope is covered: by itself, by a shorter one of the same family, or by a stronger operation.
pub(crate) fn is_granted(granted: &[String], needed: &str) -> bool {
    granted.iter().any(|scope| covers(scope, needed))
}

fn covers(granted: &str, needed: &str) -> bool {
    let (granted, needed) = (granted.to_ascii_lowercase(), needed.to_ascii_lowercase());
    let (Some((family, operation)), Some((path, wanted))) = (granted.rsplit_once('.'), needed.rsplit_once('.'))
    else {
        return false;
    };
    let writes = operation == "write" && (wanted == "create" || wanted == "update");
    let strong_enough = operation == "all" || operation == wanted || writes;
    let wide_enough = path == family || path.strip_prefix(family).is_some_and(|rest| rest.starts_with('.'));
    strong_enough && wide_enough
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(granted: &str, needed: &str, expect: bool) {
        assert_eq!(is_granted(&[granted.to_owned()], needed), expect, "{granted} for {needed}");
    }

    #[test]
    fn a_scope_covers_its_own_family_only() {
        check("ZohoCRM.modules.READ", "ZohoCRM.modules.leads.READ", true);
        check("ZohoCRM.modules.Leads.all", "ZohoCRM.modules.leads.READ", true);
        check("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.contacts.READ", false);
        check("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.leads.CREATE", false);
        check("ZohoCRM.modules.WRITE", "ZohoCRM.modules.leads.CREATE", true);
        check("ZohoCRM.modules.WRITE", "ZohoCRM.modules.leads.DELETE", false);
        check("ZohoCRM.settings.ALL", "ZohoCRM.settings.fields.READ", true);
        check("ZohoCRM.modules.ALL", "ZohoCRM.mass_delete.leads.DELETE", false);
        check("ZohoCRM.modules.lead.READ", "ZohoCRM.modules.leads.READ", false);
        check("Desk.tickets.all", "desk.tickets.READ", true);
        check("WorkDrive.teamfolders.READ", "WorkDrive.teamfolders.sharing.READ", true);
        check("ZohoBooks.contacts.ALL", "ZohoCRM.modules.contacts.READ", false);
    }
}
